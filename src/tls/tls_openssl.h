/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this folder share: the context with OpenSSL's own types, and small functions
 * over OpenSSL that both sides use. Only files of src/tls include this header.
 */
#ifndef TLS_TLS_OPENSSL_H
#define TLS_TLS_OPENSSL_H

#include <openssl/ssl.h>
#include <stdio.h>

#include "base/address.h"
#include "tls/tls.h"

enum {
    TLS_SESSIONS = 8,     /* servers whose last session is kept; one takes up to 10 KiB */
    TLS_NAMES_MAX = 1024, /* of one certificate */
    TLS_KINDS = 8,        /* of keys */
};

/* One certificate file. */
struct tls_certificate {
    char *path;
    int64_t expires_s;
    unsigned char *staple; /* the OCSP response, or NULL */
    size_t staple_length;
    int64_t staple_until_s; /* it is not sent any more from then on */
};

/* The certificate with one kind of key. */
struct tls_kind {
    int kind; /* as OpenSSL counts them; 0: free */
    int64_t until_s;
};

/* Certificates for the same names, one a kind of key. */
struct tls_group {
    SSL_CTX *ssl;
    char *names; /* sorted, parted by commas */
    struct tls_kind kinds[TLS_KINDS];
};

/* A host name and the index of the group that serves it; a wildcard without its "*":
 * ".example.org". */
struct tls_name {
    char *name;
    size_t group;
    int64_t until_s; /* the group's, once all is loaded */
};

struct tls_certificates {
    struct tls_certificate **list; /* pointers: OpenSSL's objects keep them */
    size_t count;
    struct tls_group *groups;
    size_t group_count;
    struct tls_name *names; /* sorted */
    size_t name_count;
};

struct tls_session {
    char *key; /* "host:port" */
    SSL_SESSION *session;
    int64_t trusted_until_s; /* the chain of certificates that was verified for it */
};

/* The server that a connection goes to. SSL_get_app_data() of the connection returns it; it lives
 * as long as the connection. */
struct tls_peer {
    char key[ADDRESS_HOST_SIZE + 8]; /* "host:port" */
    int64_t begun_s;
    int64_t trusted_until_s; /* of the session that was offered */
};

struct tls_context {
    SSL_CTX *ssl; /* what connections are made of */
    bool verify;  /* of servers */
    struct tls_certificates certificates;
    const struct tls_ticket_keys *tickets;
    struct tls_session sessions[TLS_SESSIONS]; /* this process's own */
};

/* ---- over OpenSSL: tls_openssl.c ---- */

/* The first error of OpenSSL's queue in words; never NULL. */
const char *tls_error_words(void);

/* A time of a certificate in Unix time; 0 when there is none. */
int64_t tls_seconds_of(const ASN1_TIME *time);

/* OpenSSL's callback for the passphrase of a file: there is none. Without it OpenSSL asks on the
 * terminal. */
int tls_refuse_passphrase(char *to, int size, int is_writing, void *unused);

/* The first certificate of a file in PEM, the caller's to free; NULL when there is none. */
X509 *tls_certificate_read(FILE *file);

/* ALPN's list of the one protocol that we speak (RFC 7301, section 6). */
enum { TLS_ALPN_BYTES = 5 };
extern const unsigned char tls_alpn_pop3[TLS_ALPN_BYTES];

/* A bare SSL_CTX with what holds on both sides. `context` can be had from it by
 * tls_context_of(). */
SSL_CTX *tls_new_ssl_ctx(struct tls_context *context, const SSL_METHOD *method);
struct tls_context *tls_context_of(const SSL *ssl);

/* ---- certificates of ours: tls_certificates.c ---- */

/* Makes a configured SSL_CTX for one group. */
typedef SSL_CTX *tls_new_group(struct tls_context *context,
                               const struct tls_clients_settings *settings, struct error *error);

/* Loads what the settings name. */
int tls_certificates_load(struct tls_context *context, const struct tls_clients_settings *settings,
                          tls_new_group *make_group, struct error *error);

/* ---- their names: tls_names.c ---- */

/* The DNS names of a certificate, in lower case and sorted; without one, its common name. Returns
 * how many; each is the caller's to free. */
size_t tls_names_read(const X509 *x509, char *names[TLS_NAMES_MAX]);

/* All names as one text, by which groups are told apart. The caller frees it; NULL without memory.
 */
char *tls_names_join(char *const *names, size_t count);

/* Adds names of the group that was made last. False without memory. */
bool tls_names_add(struct tls_certificates *all, char *const *names, size_t count);

/* Once all is loaded: sorts the names and keeps one entry of each, the best. */
void tls_names_rank(struct tls_certificates *all);

/* The group for a host name, or NULL. */
SSL_CTX *tls_certificates_find(const struct tls_certificates *certificates, const char *name);

/* The group for who names no host: the first; or, where another is used for every name of the
 * first, that one. */
SSL_CTX *tls_certificates_default(const struct tls_certificates *certificates);

/* ---- their OCSP responses: tls_ocsp.c ---- */

/* Reads the response for the certificate that `ssl` was given last. Returns 0, or -1 with `error`
 * set: it cannot be read, is of another certificate, or does not say "good". */
int tls_staple_load(struct tls_certificate *certificate, SSL_CTX *ssl, const char *path,
                    struct error *error);

/* Lets handshakes with this certificate find the response, which must outlive them. */
void tls_staple_attach(X509 *x509, struct tls_certificate *certificate);

/* OpenSSL's callback for an OCSP response. */
int tls_on_staple(SSL *ssl, void *unused);

/* ---- sessions with servers: tls_servers.c ---- */

/* Offers the server the session kept for it, if there is one that is still trusted. */
void tls_session_offer(SSL *ssl);

#endif
