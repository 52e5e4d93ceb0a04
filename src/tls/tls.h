/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS: what is prepared once (contexts with certificates, trust and ticket keys), and TLS on a
 * stream. The only door to OpenSSL: no type of it passes through here.
 *
 * A context is built by the process that may read the keys and is used by the processes forked from
 * it; it never reads a file again, with one exception: a directory of trusted certificates, the
 * system's or another, is looked into when a server is verified.
 *
 * Built without TLS, every context fails to be made and no stream ever is TLS.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "io/stream.h"

enum {
    TLS_NAME_SIZE = 256, /* a host or user name with its NUL */
    TLS_EXPIRY_WARNING_S = 14 * 24 * 3600,
    TLS_TICKET_ROTATION_S = 3600,     /* what the master should keep to; */
    TLS_TICKET_LIFETIME_S = 2 * 3600, /* a ticket is good while its key is current or previous */
    /* How long sessions with a server are resumed after its certificate was verified. Who has got
     * hold of its ticket keys, but of no good certificate, is taken for it no longer. */
    TLS_TRUST_S = 3600,
};

struct tls_context;

/* ---- towards clients ---- */

/* Texts as the settings have them; NULL where not set. */
struct tls_clients_settings {
    const char *name;         /* of the instance: its sessions are resumed in no other */
    const char *certificates; /* files in PEM with their chains, parted by commas; or a directory */
    const char *keys;         /* as many files; NULL: in the certificate's file, or NAME.key */
    const char *staples;      /* as many OCSP responses in DER; NULL: none, or NAME.ocsp */
    const char *client_ca;    /* asks for client certificates that these authorities signed */
    const char *ciphers;      /* OpenSSL's list; names that begin with TLS_ are those of TLS 1.3 */
    bool is_tls13_required;
};

/* Whether OpenSSL takes these settings. Return -1 with `error` set: it names the value. */
int tls_check_ciphers(const char *ciphers, struct error *error);
int tls_check_client_ca(const char *ca, struct error *error);

/*
 * Reads certificates and keys. Of a directory every file *.pem and *.crt is taken, in the order of
 * their names. The first certificate is used where the client names no host or one that no
 * certificate has; certificates for the same names and with different kinds of key (RSA, ECDSA)
 * stand side by side. Of several with the same kind of key, and of several that have a name, the
 * one that is valid now and expires last is used. An OCSP response must be of its certificate.
 * Returns NULL with `error` set: it names the file.
 */
struct tls_context *tls_context_for_clients(const struct tls_clients_settings *settings,
                                            struct error *error);

/* What is told of a certificate: its file and the whole days left, -1 when it has expired. */
typedef void tls_expiry_report(void *context, const char *path, int64_t days);

/* Reports each certificate of ours that expires within TLS_EXPIRY_WARNING_S, or has expired;
 * `report_context` is handed to `report`. A `context` of NULL is fine. */
void tls_context_report_expiry(const struct tls_context *context, int64_t now_s,
                               tls_expiry_report *report, void *report_context);

/*
 * Makes one handshake with itself, in memory. OpenSSL looks up and sets up a good deal with the
 * first one: done before the fork it is done once, and the processes share that memory instead of
 * having 200 KiB of their own each. A failure is none: the first session does it then. NULL is
 * fine.
 */
void tls_context_warm_up(const struct tls_context *context);

/* ---- session tickets ---- */

struct tls_ticket_key {
    unsigned char name[16];
    unsigned char cipher[32];
    unsigned char mac[32];
};

/*
 * The keys of session tickets. Lies in memory that the processes share, all zero at first; one
 * process changes it, the others read it. Kept over a reload, tickets stay good.
 */
struct tls_ticket_keys {
    _Atomic uint32_t sequence; /* odd while it is being changed; 0: no keys yet */
    struct tls_ticket_key current;
    struct tls_ticket_key previous;
};

/* Makes a new current key; the one before goes on decrypting. Call it once before the first fork
 * and then every TLS_TICKET_ROTATION_S. Returns 0, or -1 when there is no randomness. */
int tls_ticket_keys_rotate(struct tls_ticket_keys *keys);

/* Lets the context issue and accept tickets; without this call it does neither. `keys` must outlive
 * it. Nothing happens to a context that asks for client certificates (they are checked every time)
 * and where either is NULL. */
void tls_context_use_tickets(struct tls_context *context, const struct tls_ticket_keys *keys);

/* ---- towards servers ---- */

struct tls_servers_settings {
    const char *ca; /* file or directory of trusted certificates; NULL: the system's */
    bool verify;    /* the server's certificate and its name */
};

/* Returns NULL with `error` set; also when a directory has no certificate that would be found. */
struct tls_context *tls_context_for_servers(const struct tls_servers_settings *settings,
                                            struct error *error);

/*
 * Gives a context for servers a certificate of our own, shown to those that ask for one. Both are
 * files in PEM, the certificate's with its chain; `key` may be NULL: it is in the same file.
 * Returns 0, or -1 with `error` set.
 */
int tls_context_present(struct tls_context *context, const char *certificate, const char *key,
                        struct error *error);

/* NULL is fine. */
void tls_context_free(struct tls_context *context);

/* ---- on a stream ---- */

/*
 * Puts TLS over an open stream whose buffers are empty and makes the handshake, as the side that is
 * connected to (accept) or that connects. `host` is sent as SNI unless it is an address, and is
 * what the certificate must be for; `host` and `port` find the session to resume, which spares the
 * look at the certificate for TLS_TRUST_S and until it expires. `is_followed`:
 * the caller speaks next, and at once, so that the last of the handshake may go along with it.
 *
 * IO_OK: from here on the stream's other functions speak TLS. Anything else: the stream can only be
 * closed, and stream_tls_failure() says why.
 *
 * On a TLS stream IO_EOF means that the peer said so (close_notify); a connection that merely ends
 * is IO_FAILED.
 */
enum io_status stream_tls_accept(struct stream *stream, const struct tls_context *context,
                                 bool is_followed, int64_t deadline_ms);
enum io_status stream_tls_connect(struct stream *stream, struct tls_context *context,
                                  const char *host, uint16_t port, int64_t deadline_ms);

/* True from the beginning of the handshake to the close. */
bool stream_is_tls(const struct stream *stream);

/* What went wrong with TLS on this stream, in OpenSSL's words; NULL when nothing did or it is no
 * TLS stream. A connection that is lost, or ends without close_notify, after the handshake is
 * nothing wrong with TLS. Valid until the close. */
const char *stream_tls_failure(const struct stream *stream);

/* The octets that a handshake began with on the other side, at most so many: they tell what came in
 * place of TLS where it failed. None on a stream without TLS. Valid until the close. */
enum { STREAM_TLS_FIRST_BYTES = 16 };
const char *stream_tls_first(const struct stream *stream, size_t *length_r);

/* What the handshake brought. Empty texts where there is nothing to say. */
struct tls_facts {
    char version[16];                /* "TLSv1.3" */
    char cipher[48];                 /* OpenSSL's name of it */
    char server_name[TLS_NAME_SIZE]; /* SNI */
    /* Whom the peer's certificate names: the first mail address among its alternative names, or
     * its common name, in UTF-8 without control octets. Only of a certificate that was verified. */
    char certificate[TLS_NAME_SIZE];
    bool is_resumed;
};

/* Call it after the handshake. */
void stream_tls_facts(const struct stream *stream, struct tls_facts *facts);

#endif
