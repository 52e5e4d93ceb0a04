/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS: contexts, which are prepared once (certificates, trust, ticket keys), and TLS on a stream.
 * The rest of the program reaches OpenSSL only through this header, which shows none of its types.
 *
 * The process that may read the keys makes a context; the processes forked from it use the context.
 * A context reads no file after that, with one exception: OpenSSL searches a directory of trusted
 * certificates, the system's or another, each time it verifies a server.
 *
 * In a build without TLS, no context can be made and no stream is ever TLS.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/seqlock.h"
#include "io/stream.h"

enum {
    TLS_NAME_SIZE = 256, /* a host or user name with its NUL */
    TLS_EXPIRY_WARNING_S = 14 * 24 * 3600,
    TLS_TICKET_ROTATION_S = 3600,     /* the master makes a new ticket key this often, */
    TLS_TICKET_LIFETIME_S = 2 * 3600, /* so a ticket is good while its key is current or previous */
    /* How long after its certificate was verified a server may resume sessions without showing it
     * again. An attacker who has a server's ticket keys, but no good certificate, can pose as that
     * server for no longer than this. */
    TLS_TRUST_S = 3600,
};

struct tls_context;

/* Whether this build has TLS. Without it no context can be made. */
bool tls_is_built_in(void);

/* Call it once, before anything else uses OpenSSL: what is left of a key file in memory that
 * OpenSSL frees is then overwritten. */
void tls_init(void);

/* The oldest version of TLS that may be used. 1.2 comes first, as the usual one. */
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_0, TLS_VERSION_1_1, TLS_VERSION_1_3 };

/* ---- towards clients ---- */

/* Texts as they are in the settings; NULL where not set. */
struct tls_clients_settings {
    const char *name;         /* of the instance: no other instance resumes its sessions */
    const char *certificates; /* files in PEM with chains, separated by commas; or a directory */
    const char *keys;         /* as many files; NULL: in the certificate's file, or NAME.key */
    const char *staples;      /* as many OCSP responses in DER; NULL: none, or NAME.ocsp */
    const char *client_ca; /* clients are asked for a certificate that these authorities signed */
    const char *ciphers;   /* OpenSSL's list; names that begin with TLS_ are those of TLS 1.3 */
    enum tls_version oldest;
};

/* Check whether OpenSSL accepts the value. Return 0, or -1 with `error` set, which names the
 * value. */
int tls_check_ciphers(const char *ciphers, struct error *error);
int tls_check_client_ca(const char *ca, struct error *error);

/*
 * Reads certificates and keys. In a directory these are all files *.pem and *.crt, in the order of
 * their names. The first certificate is used for a client that names no host, or a host that no
 * certificate is for. Certificates for the same names with different kinds of key (RSA, ECDSA) are
 * used side by side. Among several with the same kind of key, and among several for one name, the
 * one that is valid now and expires last is used. An OCSP response must be for its certificate.
 * Returns NULL with `error` set, which names the file.
 */
struct tls_context *tls_context_for_clients(const struct tls_clients_settings *settings,
                                            struct error *error);

/* The names in the certificate that a client gets which asks for this host, separated by commas.
 * NULL: the context is not one for clients. */
const char *tls_context_names(const struct tls_context *context, const char *host);

/* Receives the file of a certificate and the whole days left until it expires; -1: it has
 * expired. */
typedef void tls_expiry_report(void *context, const char *path, int64_t days);

/* Receives the file of a certificate and when it expires, in seconds since 1970. */
typedef void tls_certificate_report(void *context, const char *path, int64_t expires_s);

/* Calls `report` with `report_context` for each certificate of ours. `context` NULL has none. */
void tls_context_each_certificate(const struct tls_context *context,
                                  tls_certificate_report *report, void *report_context);

/* Calls `report` with `report_context` for each certificate of ours that has expired or expires
 * within TLS_EXPIRY_WARNING_S. Does nothing when `context` is NULL. */
void tls_context_report_expiry(const struct tls_context *context, int64_t now_s,
                               tls_expiry_report *report, void *report_context);

/*
 * Makes one handshake with itself, in memory. With the first handshake OpenSSL fetches algorithms
 * and fills tables, about 200 KiB. Call it before the fork: the children then share that memory.
 * A failure does no harm, as the first session then does the work. Does nothing when `context` is
 * NULL.
 */
void tls_context_warm_up(const struct tls_context *context);

/* ---- session tickets ---- */

struct tls_ticket_key {
    unsigned char name[16];
    unsigned char cipher[32];
    unsigned char mac[32];
};

/*
 * The keys of session tickets, all zero at first. One process changes them, its children read them.
 * Keep them over a reload, so that tickets stay good.
 */
struct tls_ticket_keys {
    struct seqlock lock; /* guards the pair; while it was never used there are no keys */
    struct tls_ticket_pair {
        struct tls_ticket_key current;
        struct tls_ticket_key previous;
    } pair;
};

/* Returns memory for the keys. Only this process can write it. Its children have the memory at
 * *view_r, which they cannot make writable. NULL with errno where the kernel cannot promise that.
 * Call it once in a process. */
struct tls_ticket_keys *tls_ticket_keys_new(const struct tls_ticket_keys **view_r);

/* Makes a new current key; the one before it still decrypts. Call it once before the first fork and
 * then every TLS_TICKET_ROTATION_S. Returns 0, or -1 when the system gives no random octets. */
int tls_ticket_keys_rotate(struct tls_ticket_keys *keys);

/* Lets the context issue and accept tickets; without this call it does neither. `keys` must outlive
 * the context. Does nothing when either is NULL, or when the context asks for client certificates:
 * these are checked in every session. */
void tls_context_use_tickets(struct tls_context *context, const struct tls_ticket_keys *keys);

/* ---- towards servers ---- */

struct tls_servers_settings {
    const char *ca;      /* file or directory of trusted certificates; NULL: the system's */
    const char *ciphers; /* as towards clients; NULL: OpenSSL's */
    enum tls_version oldest;
    bool verify; /* check the server's certificate and the name in it */
};

/* Returns NULL with `error` set, also when OpenSSL would find no certificate in a directory. */
struct tls_context *tls_context_for_servers(const struct tls_servers_settings *settings,
                                            struct error *error);

/*
 * Gives a context for servers a certificate of our own, for servers that ask for one. Both are
 * files in PEM, the certificate's with its chain; `key` NULL: the key is in the same file.
 * Returns 0, or -1 with `error` set.
 */
int tls_context_present(struct tls_context *context, const char *certificate, const char *key,
                        struct error *error);

/* Does nothing when `context` is NULL. */
void tls_context_free(struct tls_context *context);

/*
 * For a child: gives up the secrets of all contexts that there are, but for the `count` ones in
 * `kept` (NULL among them is ignored). Their private keys are overwritten, and the ticket keys are
 * gone unless a kept context uses them. The other contexts must not be used any more, nor freed.
 */
void tls_keep_only(struct tls_context *const *kept, size_t count);

/* ---- on a stream ---- */

/*
 * Put TLS over an open stream whose buffers are empty, and make the handshake: accept towards a
 * client, connect towards a server.
 *
 * `is_followed`: we send the first octets after the handshake, and at once, so the last message of
 * the handshake may wait for them and share their packet.
 *
 * `host` is sent as SNI unless it is an address, and the certificate must be for it. A session that
 * was made with the same `host` and `port` is resumed for TLS_TRUST_S after the certificate was
 * verified, but not after it has expired; the server then does not show its certificate again.
 *
 * IO_OK: the stream's other functions speak TLS from now on. Anything else: the stream can only be
 * closed, and stream_tls_failure() says why.
 *
 * On a TLS stream IO_EOF means that the peer has announced its end (close_notify). A connection
 * that ends without it is IO_FAILED.
 */
enum io_status stream_tls_accept(struct stream *stream, const struct tls_context *context,
                                 bool is_followed, int64_t deadline_ms);
enum io_status stream_tls_connect(struct stream *stream, struct tls_context *context,
                                  const char *host, uint16_t port, int64_t deadline_ms);

/* True from the start of the handshake until the close. */
bool stream_is_tls(const struct stream *stream);

/* What went wrong with TLS on this stream, in OpenSSL's words; NULL when nothing did or the stream
 * is not TLS. A connection that is lost after the handshake, or ends without close_notify, is not a
 * failure of TLS. The text is valid until the close. */
const char *stream_tls_failure(const struct stream *stream);

/* The first octets that the peer sent in the handshake, at most STREAM_TLS_FIRST_BYTES. Where the
 * handshake failed they tell what the peer spoke instead of TLS. None on a stream without TLS.
 * Valid until the close. */
enum { STREAM_TLS_FIRST_BYTES = 16 };
const char *stream_tls_first(const struct stream *stream, size_t *length_r);

/* What is known after the handshake. A text is empty where nothing is known. */
struct tls_facts {
    char version[16]; /* "TLSv1.3" */
    char cipher[48];  /* OpenSSL's name of it */
    bool is_resumed;
};

/* The names of a handshake with a client; empty texts where there is none. */
struct tls_names {
    char server_name[TLS_NAME_SIZE]; /* SNI */
    /* The name in the client's certificate, if that was verified: the first mail address among its
     * alternative names, or else its common name; UTF-8 without control octets. */
    char certificate[TLS_NAME_SIZE];
};

/* Fills `facts`, and `names`. Call them after the handshake. */
void stream_tls_facts(const struct stream *stream, struct tls_facts *facts);
void stream_tls_names(const struct stream *stream, struct tls_names *names);

#endif
