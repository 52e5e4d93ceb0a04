/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS towards servers: the authorities that we trust, and the last session with each server, which
 * the next connection resumes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "tls/tls_openssl.h"

enum {
    /* Two records are read at once. More would cost time: before each record OpenSSL moves all that
     * it has read to the front of its buffer. */
    READ_AHEAD_BYTES = 2 * (SSL3_RT_MAX_PLAIN_LENGTH + 512),
    HASH_DIGITS = 8,
};

/* ---- sessions to resume ---- */

static struct tls_peer *peer_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

static struct tls_session *session_slot(struct tls_context *context, const char *key)
{
    return &context->sessions[hash_text(key) % TLS_SESSIONS];
}

void tls_session_offer(SSL *ssl)
{
    struct tls_peer *peer = peer_of(ssl);
    const struct tls_session *slot = session_slot(tls_context_of(ssl), peer->key);

    peer->begun_s = clock_wall_s();
    if (slot->session == NULL || strcmp(slot->key, peer->key) != 0 ||
        slot->trusted_until_s <= peer->begun_s)
        return;
    peer->trusted_until_s = slot->trusted_until_s;
    SSL_set_session(ssl, slot->session);
}

/* When the first certificate of the chain expires. */
static int64_t chain_until_s(const STACK_OF(X509) * chain)
{
    int64_t until_s = INT64_MAX;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t expires_s = tls_seconds_of(X509_get0_notAfter(sk_X509_value(chain, i)));
        if (expires_s < until_s)
            until_s = expires_s;
    }
    return until_s;
}

/* The time until which a session of this connection may be resumed. A server shows its certificate
 * only in a full handshake, but may send a new ticket after each resumption: the time stays that of
 * the full handshake. */
static int64_t trusted_until_s(SSL *ssl)
{
    const struct tls_peer *peer = peer_of(ssl);
    int64_t expires_s;

    if (!tls_context_of(ssl)->verify)
        return INT64_MAX;
    if (SSL_session_reused(ssl))
        return peer->trusted_until_s;
    expires_s = chain_until_s(SSL_get0_verified_chain(ssl));
    return expires_s < peer->begun_s + TLS_TRUST_S ? expires_s : peer->begun_s + TLS_TRUST_S;
}

/* The server has sent a ticket. Returns 1 where we keep a reference to the session, else 0. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const char *key = peer_of(ssl)->key;
    struct tls_session *slot = session_slot(tls_context_of(ssl), key);

    if (slot->key == NULL || strcmp(slot->key, key) != 0) {
        free(slot->key);
        slot->key = strdup(key);
    }
    SSL_SESSION_free(slot->session);
    slot->session = slot->key == NULL ? NULL : session;
    slot->trusted_until_s = trusted_until_s(ssl);
    return slot->session != NULL;
}

/* ---- the context ---- */

/* A name such as 5ed36f99.0, which openssl-rehash(1) makes. OpenSSL tries .1 only when there is
 * .0. */
static int is_hashed_name(const struct dirent *entry)
{
    return strspn(entry->d_name, "0123456789abcdef") == HASH_DIGITS &&
           strcmp(entry->d_name + HASH_DIGITS, ".0") == 0;
}

/* The file is a certificate, and the hash in its name is that of the certificate's subject. */
static bool is_hashed_certificate(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "r");
    BIO *from = file == NULL ? NULL : BIO_new_fp(file, BIO_CLOSE);
    X509 *x509 = from == NULL ? NULL : tls_certificate_read(from);
    bool is_good = x509 != NULL && X509_subject_name_hash(x509) == strtoul(name, NULL, 16);

    X509_free(x509);
    BIO_free(from);
    if (file != NULL && from == NULL)
        fclose(file);
    else if (fd != -1 && file == NULL)
        close(fd);
    return is_good;
}

/* A directory may hold anything, and what no hash leads to is not found later. */
static int check_trusted_directory(const char *path, struct error *error)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool is_found = false;

    if (directory == NULL)
        return error_set(error, "server_tls_ca = %s: %s", path, strerror(errno));
    while (!is_found && (entry = readdir(directory)) != NULL)
        is_found = is_hashed_name(entry) && is_hashed_certificate(dirfd(directory), entry->d_name);
    closedir(directory);
    ERR_clear_error();
    if (is_found)
        return 0;
    return error_set(error,
                     "server_tls_ca = %s: OpenSSL finds no certificate in this directory; run "
                     "openssl rehash on it",
                     path);
}

static int set_trust(SSL_CTX *ssl_ctx, const char *ca, struct error *error)
{
    struct stat status;
    int is_set;

    if (ca == NULL)
        is_set = tls_trust_system(ssl_ctx);
    else if (stat(ca, &status) == -1)
        return error_set(error, "server_tls_ca = %s: %s", ca, strerror(errno));
    else if (!S_ISDIR(status.st_mode))
        is_set = SSL_CTX_load_verify_file(ssl_ctx, ca);
    else if (check_trusted_directory(ca, error) == 0)
        is_set = tls_trust_directory(ssl_ctx, ca);
    else
        return -1;
    return is_set == 1 ? 0
                       : error_set(error, "server_tls_ca = %s: %s",
                                   ca != NULL ? ca : "the system's", tls_error_words());
}

struct tls_context *tls_context_for_servers(const struct tls_servers_settings *settings,
                                            struct error *error)
{
    struct tls_context *context = tls_context_new();

    if (context != NULL)
        context->ssl = tls_new_ssl_ctx(context, TLS_client_method());
    if (context == NULL || context->ssl == NULL) {
        error_set(error, "TLS: %s", tls_error_words());
        tls_context_free(context);
        return NULL;
    }
    ERR_clear_error();
    context->verify = settings->verify;
    tls_set_oldest(context->ssl, settings->oldest);
    SSL_CTX_set_verify(context->ssl, settings->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_default_read_buffer_len(context->ssl, READ_AHEAD_BYTES);
    SSL_CTX_set_session_cache_mode(context->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, on_new_session);
    if (settings->ciphers != NULL && !tls_set_ciphers(context->ssl, settings->ciphers))
        error_set(error, "server_tls_ciphers = %s: %s", settings->ciphers, tls_error_words());
    else if (SSL_CTX_set_alpn_protos(context->ssl, tls_alpn_pop3, sizeof(tls_alpn_pop3)) != 0)
        error_set(error, "TLS: out of memory");
    else if (!settings->verify || set_trust(context->ssl, settings->ca, error) == 0)
        return context;
    tls_context_free(context);
    return NULL;
}
