/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SASL messages as POP3 carries them (RFC 5034): base64, and the form of each mechanism's messages.
 * Pure: knows no stream, no session and no OpenSSL, and allocates nothing.
 *
 * Conventions of every function here:
 * - `message` is a decoded message of `length` octets, not NUL-terminated; it is never NULL.
 * - Output goes to the caller's buffer of `size` octets. It is NUL-terminated text, except for
 *   decoded base64. If the result is not SASL_OK, a text is "", *length_r is 0, and no part of a
 *   secret is left in the buffer.
 * - Passwords and tokens stay in the caller's buffers. The caller wipes them (explicit_bzero).
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

/* The two challenges of LOGIN in base64: "Username:" and "Password:". */
#define SASL_LOGIN_USERNAME "VXNlcm5hbWU6"
#define SASL_LOGIN_PASSWORD "UGFzc3dvcmQ6"

/* Before a server refuses a token, it sends an error text as a challenge. This is the answer in
 * base64: one ^A for OAUTHBEARER (RFC 7628 section 3.2.3). XOAUTH2 wants an empty line. */
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
#define SASL_RESULT(name, word) SASL_##name,
#include "pop3/sasl_result.def"
#undef SASL_RESULT
};

/* Finds the mechanism called `name`, in any case. Returns SASL_MECHANISM_NONE if there is none. */
enum sasl_mechanism sasl_mechanism_find(const char *name);

/* The row of a mechanism. NULL for SASL_MECHANISM_NONE and anything out of range. */
const struct sasl_mechanism_info *sasl_mechanism_info(enum sasl_mechanism mechanism);

/* A word for the log: "ok", "cancelled", "bad-base64", ... */
const char *sasl_result_word(enum sasl_result result);

/*
 * Decodes strict base64 (RFC 4648 section 4, without the leniencies of section 3), so that one
 * message has one encoding. SASL_BAD_BASE64 for other octets, line breaks, '=' before the end,
 * missing or wrong padding, and padding bits that are not zero. Empty text is an empty message.
 * SASL_TOO_LONG beyond SASL_BASE64_MAX or `size`. `data` may be `text` itself.
 */
enum sasl_result sasl_base64_decode(const char *text, size_t length, char *data, size_t size,
                                    size_t *length_r);

/* Encodes up to SASL_DATA_MAX octets; `size` must be SASL_BASE64_SIZE(length) or more. `data` and
 * `text` may not overlap. SASL_OK or SASL_TOO_LONG. */
enum sasl_result sasl_base64_encode(const char *data, size_t length, char *text, size_t size,
                                    size_t *length_r);

/* Decodes the client's answer to a challenge (RFC 5034 section 4): SASL_CANCELLED for "*", else as
 * sasl_base64_decode() does. An empty line is an empty message. */
enum sasl_result sasl_response_decode(const char *text, size_t length, char *data, size_t size,
                                      size_t *length_r);

/* Decodes the initial response of the AUTH command: "=" is the empty message. An empty text is
 * SASL_BAD_BASE64. */
enum sasl_result sasl_initial_decode(const char *text, size_t length, char *data, size_t size,
                                     size_t *length_r);

/* Checks a credential, from USER and PASS as well as from SASL. SASL_EMPTY if it has no octets,
 * SASL_BAD_OCTET for a control octet. 8-bit octets pass: names and passwords are in UTF-8 or in
 * the character set of an old mail program. */
enum sasl_result sasl_credential_check(const char *text, size_t length);

/*
 * PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd, with exactly two NULs. authzid must be empty
 * or the same octets as authcid (SASL_BAD_AUTHZID). Also SASL_BAD_MESSAGE, SASL_EMPTY,
 * SASL_BAD_OCTET, and SASL_TOO_LONG if a part does not fit its buffer.
 */
enum sasl_result sasl_plain_decode(const char *message, size_t length, char *user, size_t user_size,
                                   char *password, size_t password_size);

/* The base64 of a PLAIN message for AUTH PLAIN at the server. `authzid` names the mailbox that a master
 * user opens; "" where the user opens his own. All texts are checked like any credential. */
enum sasl_result sasl_plain_encode(const char *authzid, const char *user, const char *password,
                                   char *text, size_t size, size_t *length_r);

/* Decodes one step of LOGIN: the message is the user name or the password. Clients may send the
 * user name as initial response. SASL_EMPTY, SASL_BAD_OCTET, SASL_TOO_LONG. */
enum sasl_result sasl_login_decode(const char *message, size_t length, char *credential,
                                   size_t size);

/*
 * Finds the user name in the initial response of a token mechanism, and checks the whole response:
 *   XOAUTH2      "user=" name ^A "auth=Bearer " token ^A ^A
 *   OAUTHBEARER  ("n" or "y") ",a=" saslname "," ^A *(key "=" value ^A) ^A, with exactly one key
 *                "auth" and its value "Bearer " token (RFC 7628 section 3.1). In a saslname "=2C"
 *                is a comma and "=3D" an equals sign (RFC 5801 section 4). Channel binding ("p=")
 *                is SASL_BAD_MESSAGE. RFC 7628 allows a response without a name, but the name
 *                selects the server, so that is SASL_EMPTY here.
 * A token is one or more octets of 0x21 to 0x7e. SASL_BAD_MESSAGE also for a mechanism without
 * tokens.
 */
enum sasl_result sasl_token_user(enum sasl_mechanism mechanism, const char *message, size_t length,
                                 char *user, size_t size);

/*
 * Encodes the same initial response in base64 with another user name; all other octets stay. The
 * client says "user@server", and the server must be told "user". Results are those of
 * sasl_token_user() and, for `user`, of sasl_credential_check(). `text` may
 * not overlap `message`.
 */
enum sasl_result sasl_token_encode(enum sasl_mechanism mechanism, const char *message,
                                   size_t length, const char *user, char *text, size_t size,
                                   size_t *length_r);

/* Finds the token in the initial response of a token mechanism: where it begins in `message`, and how
 * long it is. Results are those of sasl_token_user(); NULL and 0 if it is not SASL_OK. */
enum sasl_result sasl_token_find(enum sasl_mechanism mechanism, const char *message, size_t length,
                                 const char **token_r, size_t *token_length_r);

/* Copies the token out of the initial response of a token mechanism, to be sent with another one.
 * Results are those of sasl_token_user(). */
enum sasl_result sasl_token_value(enum sasl_mechanism mechanism, const char *message, size_t length,
                                  char *token, size_t size);

/* More octets than a message has besides its token, if sasl_token_make() made it. */
enum { SASL_TOKEN_EXTRA = 64 };

/* The initial response of a token mechanism with this token, for sasl_token_encode(), which
 * puts the user's name in. Returns its length, or 0 where it does not fit or the mechanism has no
 * token. */
size_t sasl_token_make(enum sasl_mechanism mechanism, const char *token, char *message, size_t size);

/* Decodes EXTERNAL (RFC 4422 appendix A): the message is the authzid. `user` becomes "" for an
 * empty message: the client's certificate names the user then. SASL_BAD_OCTET, SASL_TOO_LONG. */
enum sasl_result sasl_external_decode(const char *message, size_t length, char *user, size_t size);

#endif
