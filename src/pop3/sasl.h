/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SASL messages as POP3 carries them (RFC 5034): base64, and what is inside for each mechanism.
 * Pure protocol: knows no stream, no session and no OpenSSL, allocates nothing.
 *
 * Conventions of every function here:
 * - `message` is a decoded message of `length` octets, not NUL-terminated; it is never NULL.
 * - Output goes to the caller's buffer of `size` octets and is NUL-terminated text (except for
 *   decoded base64). After any other result than SASL_OK a text is "" and *length_r is 0, and no
 *   part of a secret has been left in the buffer.
 * - Passwords and tokens stay in the caller's buffers, who wipes them (explicit_bzero).
 */
#ifndef POP3_SASL_H
#define POP3_SASL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    SASL_BASE64_MAX = 16384,                       /* octets of base64 in one line, both ways */
    SASL_DATA_MAX = SASL_BASE64_MAX / 4 * 3,       /* octets of a decoded message */
    SASL_BASE64_BUFFER_SIZE = SASL_BASE64_MAX + 1, /* holds every encoded text and its NUL */
};

/* Octets of base64 for n octets, and a NUL. */
#define SASL_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* The two challenges of LOGIN, base64 already: "Username:" and "Password:". */
#define SASL_LOGIN_USERNAME "VXNlcm5hbWU6"
#define SASL_LOGIN_PASSWORD "UGFzc3dvcmQ6"

/* What answers the error text a server sends as a challenge before it refuses a token (base64):
 * one ^A for OAUTHBEARER (RFC 7628 section 3.2.3); XOAUTH2 wants an empty line. */
#define SASL_OAUTHBEARER_DUMMY "AQ=="

enum sasl_mechanism {
    SASL_MECHANISM_NONE,
#define SASL_MECHANISM(id, name, feature, is_token) SASL_MECHANISM_##id,
#include "pop3/sasl_mechanism.def"
#undef SASL_MECHANISM
    SASL_MECHANISM_COUNT,
};

struct sasl_mechanism_info {
    const char *name;    /* on the wire */
    const char *feature; /* in --version */
    bool is_token;       /* see sasl_mechanism.def */
};

enum sasl_result {
    SASL_OK,
    SASL_CANCELLED,   /* the client sent "*" */
    SASL_BAD_BASE64,  /* not strict base64 */
    SASL_BAD_MESSAGE, /* not the form the mechanism prescribes */
    SASL_BAD_OCTET,   /* a control octet in a credential: it could become a command */
    SASL_BAD_AUTHZID, /* acting as somebody else is not offered */
    SASL_EMPTY,       /* no user name, no password or no token */
    SASL_TOO_LONG,    /* for the limits above or for the caller's buffer */
};

/* The mechanism called `name`, in any case; SASL_MECHANISM_NONE where there is none. */
enum sasl_mechanism sasl_mechanism_find(const char *name);

/* The table row of a mechanism; NULL for SASL_MECHANISM_NONE and anything out of range. */
const struct sasl_mechanism_info *sasl_mechanism_info(enum sasl_mechanism mechanism);

/* A word for the log: "ok", "cancelled", "bad-base64", ... */
const char *sasl_result_word(enum sasl_result result);

/*
 * Strict base64 (RFC 4648 section 4, without the leniencies of section 3): foreign octets, line
 * breaks, '=' anywhere but at the end, missing or wrong padding and padding bits that are not zero
 * are SASL_BAD_BASE64, so that one message has one encoding. Empty text is an empty message. `data`
 * may be `text` itself. SASL_TOO_LONG beyond SASL_BASE64_MAX or `size`.
 */
enum sasl_result sasl_base64_decode(const char *text, size_t length, char *data, size_t size,
                                    size_t *length_r);

/* Encodes up to SASL_DATA_MAX octets; `size` must be SASL_BASE64_SIZE(length) or more. `data` and
 * `text` may not overlap. SASL_OK or SASL_TOO_LONG. */
enum sasl_result sasl_base64_encode(const char *data, size_t length, char *text, size_t size,
                                    size_t *length_r);

/* Decodes a line the client answers a challenge with (RFC 5034 section 4): SASL_CANCELLED for "*",
 * else like sasl_base64_decode. An empty line is an empty message. */
enum sasl_result sasl_response_decode(const char *text, size_t length, char *data, size_t size,
                                      size_t *length_r);

/* Decodes the initial response of the AUTH command: "=" is the empty message, and an empty text,
 * which is what "AUTH PLAIN " with a blank at its end leaves, is SASL_BAD_BASE64. */
enum sasl_result sasl_initial_decode(const char *text, size_t length, char *data, size_t size,
                                     size_t *length_r);

/* What every credential must be, from USER and PASS as from SASL: SASL_EMPTY without octets,
 * SASL_BAD_OCTET where one is 0x00 to 0x1f, 0x7f or, unless allow_8bit, 0x80 to 0xff, else SASL_OK.
 * 8-bit octets are for passwords only. */
enum sasl_result sasl_credential_check(const char *text, size_t length, bool allow_8bit);

/*
 * PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd, with exactly two NULs. authzid must be empty
 * or the same octets as authcid (SASL_BAD_AUTHZID). SASL_BAD_MESSAGE, SASL_EMPTY, SASL_BAD_OCTET,
 * SASL_TOO_LONG when a part does not fit its buffer.
 */
enum sasl_result sasl_plain_decode(const char *message, size_t length, char *user, size_t user_size,
                                   char *password, size_t password_size);

/* The base64 of a PLAIN message with an empty authzid, for AUTH PLAIN at the server. Both texts are
 * checked like any credential. */
enum sasl_result sasl_plain_encode(const char *user, const char *password, char *text, size_t size,
                                   size_t *length_r);

/* One step of LOGIN: the message is the user name, or, with allow_8bit, the password, as it is.
 * Clients may send the user name as initial response. SASL_EMPTY, SASL_BAD_OCTET, SASL_TOO_LONG. */
enum sasl_result sasl_login_decode(const char *message, size_t length, bool allow_8bit,
                                   char *credential, size_t size);

/*
 * The user name in the initial response of a token mechanism, all of which is checked:
 *   XOAUTH2      "user=" name ^A "auth=Bearer " token ^A ^A
 *   OAUTHBEARER  ("n" or "y") ",a=" saslname "," ^A *(key "=" value ^A) ^A, with exactly one key
 *                "auth" and its value "Bearer " token (RFC 7628 section 3.1). In a saslname "=2C"
 *                is a comma and "=3D" an equals sign (RFC 5801 section 4). Channel binding ("p=")
 *                is SASL_BAD_MESSAGE. RFC 7628 lets the name be left out; the server is selected
 *                by it, so that is SASL_EMPTY here.
 * A token is one or more of 0x21 to 0x7e. SASL_BAD_MESSAGE also for a mechanism without tokens.
 */
enum sasl_result sasl_token_user(enum sasl_mechanism mechanism, const char *message, size_t length,
                                 char *user, size_t size);

/*
 * The base64 of the same initial response with another user name, everything else octet for octet:
 * the client says "user@server" where the server must be told "user". Results like
 * sasl_token_user, and for `user` like sasl_credential_check without 8-bit octets. `text` may not
 * overlap `message`.
 */
enum sasl_result sasl_token_encode(enum sasl_mechanism mechanism, const char *message,
                                   size_t length, const char *user, char *text, size_t size,
                                   size_t *length_r);

/* EXTERNAL (RFC 4422 appendix A): the message is the authzid. `user` becomes "" for an empty
 * message: the user is whom the client's certificate names. SASL_BAD_OCTET, SASL_TOO_LONG. */
enum sasl_result sasl_external_decode(const char *message, size_t length, char *user, size_t size);

#endif
