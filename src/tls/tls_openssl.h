/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this folder share: the context with OpenSSL's own types, and small functions
 * over OpenSSL that both sides use. Only files of src/tls include this header.
 */
#ifndef TLS_TLS_OPENSSL_H
#define TLS_TLS_OPENSSL_H

#include <openssl/ssl.h>

#include "base/address.h"
#include "tls/tls.h"

enum {
    TLS_SESSIONS = 8,     /* a session is kept for this many servers; each takes up to 10 KiB */
    TLS_NAMES_MAX = 1024, /* of one certificate */
    TLS_KINDS = 8,        /* of keys */
};

/* One certificate file. */
struct tls_certificate {
    char *path;
    int64_t expires_s;
    unsigned char *staple; /* the OCSP response, or NULL */
    size_t staple_length;
    int64_t staple_until_s; /* not sent any more from then on */
};

/* The certificate with one kind of key. */
struct tls_kind {
    int kind; /* as OpenSSL counts them; 0: free */
    int64_t until_s;
};

/* Certificates for the same names, one for each kind of key. */
struct tls_group {
    SSL_CTX *ssl;
    char *names; /* sorted, each followed by a comma */
    struct tls_kind kinds[TLS_KINDS];
};

/* A host name and the index of the group that serves it; a wildcard without its "*":
 * ".example.org". */
struct tls_name {
    char *name;
    size_t group;
    int64_t until_s; /* the group's; set once all certificates are loaded */
};

struct tls_certificates {
    struct tls_certificate **list; /* pointers, because OpenSSL's objects refer to each one */
    size_t count;
    struct tls_group *groups;
    size_t group_count;
    struct tls_name *names; /* sorted */
    size_t name_count;
};

struct tls_session {
    char *key; /* "host:port" */
    SSL_SESSION *session;
    int64_t trusted_until_s; /* then the chain must be verified again */
};

/* The server that a connection goes to. SSL_get_app_data() of the connection returns it; it lives
 * as long as the connection. */
struct tls_peer {
    char key[ADDRESS_HOST_SIZE + 8]; /* "host:port" */
    int64_t begun_s;                 /* the handshake */
    int64_t trusted_until_s;         /* of the session that was offered */
};

struct tls_context {
    struct tls_context *next; /* in the list of all */
    SSL_CTX *ssl; /* for new connections; SNI may replace it by that of another group */
    bool verify;  /* towards servers */
    struct tls_certificates certificates;
    const struct tls_ticket_keys *tickets;
    struct tls_session sessions[TLS_SESSIONS]; /* with servers; each process has its own */
};

/* ---- over OpenSSL: tls_openssl.c ---- */

/* The first error of OpenSSL's queue in words; never NULL. */
const char *tls_error_words(void);

/* A time of a certificate in Unix time; 0 when there is none. */
int64_t tls_seconds_of(const ASN1_TIME *time);

/* OpenSSL's callback for the passphrase of a file: there is none. Without it OpenSSL asks on the
 * terminal. */
int tls_refuse_passphrase(char *to, int size, int is_writing, void *unused);

/* The next certificate in PEM, the caller's to free; NULL when there is none. */
X509 *tls_certificate_read(BIO *from);

/* The list that we send or accept as ALPN: "pop3" alone (RFC 7301, section 6). */
enum { TLS_ALPN_BYTES = 5 };
extern const unsigned char tls_alpn_pop3[TLS_ALPN_BYTES];

/* Trusts the authorities of a directory that openssl-rehash(1) has prepared, or of several, separated
 * by colons; or those that OpenSSL trusts by default. They are read now, and no file is opened later.
 * Return false without memory. */
bool tls_trust_directory(SSL_CTX *ssl_ctx, const char *path);
bool tls_trust_system(SSL_CTX *ssl_ctx);

/* Makes an empty context, which tls_context_free() frees. NULL without memory. */
struct tls_context *tls_context_new(void);
/* The first context in the list of all. */
struct tls_context *tls_context_first(void);

/* Makes an SSL_CTX with the settings that both sides share. tls_context_of() of its connections
 * returns `context`. Returns NULL without memory. */
SSL_CTX *tls_new_ssl_ctx(struct tls_context *context, const SSL_METHOD *method);
struct tls_context *tls_context_of(const SSL *ssl);

/* Sets the ciphers of a list, of TLS 1.3 or of older versions or of both; those that the list has
 * none of stay as they are. Returns false where OpenSSL does not accept it. */
bool tls_set_ciphers(SSL_CTX *ssl_ctx, const char *ciphers);

/* Sets the oldest version. Call it before the ciphers are set. */
void tls_set_oldest(SSL_CTX *ssl_ctx, enum tls_version oldest);

/* ---- memory: tls_memory.c ---- */

/* Call these before and after keys are read. In between, memory that OpenSSL frees is overwritten
 * first; at the end, so is the stack below the caller. */
void tls_memory_begin_secret(void);
void tls_memory_end_secret(void);

/* The octets of a file with a key, in pages that only this file has. */
struct tls_file {
    void *octets;
    size_t length;
};

/* Reads a file. Returns 0, or -1 with errno: EFBIG if it is longer than any certificate. */
int tls_file_read(struct tls_file *file, const char *path);
/* The octets as OpenSSL reads them, from the first on. NULL without memory; the caller frees it. */
BIO *tls_file_open(const struct tls_file *file);
/* Gives the pages back. */
void tls_file_free(struct tls_file *file);

/* ---- tickets: tls_tickets.c ---- */

/* For a child: it cannot read the ticket keys any more. */
void tls_tickets_forget(void);

/* ---- certificates of ours: tls_certificates.c ---- */

/* Makes a configured SSL_CTX for one group. Returns NULL with `error` set. */
typedef SSL_CTX *tls_new_group(struct tls_context *context,
                               const struct tls_clients_settings *settings, struct error *error);

/* Loads the files that the settings name; calls `make_group` for each group. Returns 0, or -1 with
 * `error` set. */
int tls_certificates_load(struct tls_context *context, const struct tls_clients_settings *settings,
                          tls_new_group *make_group, struct error *error);

/* ---- their names: tls_names.c ---- */

/* Fills `names` with the DNS names of a certificate, in lower case and sorted; where it has none,
 * with its common name. Returns how many there are. The caller frees each. */
size_t tls_names_read(const X509 *x509, char *names[TLS_NAMES_MAX]);

/* Returns all names as one text, which identifies a group. The caller frees it; NULL without
 * memory. */
char *tls_names_join(char *const *names, size_t count);

/* Adds names to the last group in the list. Returns false without memory. */
bool tls_names_add(struct tls_certificates *all, char *const *names, size_t count);

/* Sorts the names and keeps one entry of each: that of the group to be used. Call it once, after
 * all certificates are loaded. */
void tls_names_rank(struct tls_certificates *all);

/* Returns the SSL_CTX of the group for a host name, or NULL. */
SSL_CTX *tls_certificates_find(const struct tls_certificates *certificates, const char *name);

/* Returns the SSL_CTX for a client that names no host: that of the first group, or, where one other
 * group is used for every name of the first, that of the other. */
SSL_CTX *tls_certificates_default(const struct tls_certificates *certificates);

/* ---- their OCSP responses: tls_ocsp.c ---- */

/* Reads an OCSP response for the certificate that was last put into `ssl`. Returns 0, or -1 with
 * `error` set where the file cannot be read, or its status is not "good" for this certificate. */
int tls_staple_load(struct tls_certificate *certificate, SSL_CTX *ssl, const char *path,
                    struct error *error);

/* Lets handshakes with `x509` send the response in `certificate`, which must outlive them. */
void tls_staple_attach(X509 *x509, struct tls_certificate *certificate);

/* OpenSSL's callback for a client that asks for an OCSP response. */
int tls_on_staple(SSL *ssl, void *unused);

/* ---- sessions with servers: tls_servers.c ---- */

/* Offers the server the session that is kept for it, if there is one and it is still trusted. */
void tls_session_offer(SSL *ssl);

#endif
