/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS towards clients: the context of an instance, from its settings. A missing or wrong file is
 * reported here, before the first session.
 */
#include "tls/tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls_openssl.h"

enum {
    HANDSHAKE_TURNS = 10,
    PAIR_BYTES = 64 * 1024,
};

/* Only ciphers with forward secrecy. Authenticated encryption comes first, which every program
 * since 2015 has and TLS 1.3 always uses. The CBC modes at the end are for older ones: Schannel of
 * Windows 7, 8.1 and Server 2012 R2 has no GCM for RSA certificates, Android 4.4 has none at all.
 * AES with 128 bits is first: it is secure, and a handshake costs a tenth less than with 256 bits,
 * which come with SHA-384. */
#define GOOD_CIPHERS "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20:"
#define CBC_CIPHERS  "ECDHE+AES128+SHA256:ECDHE+AES256+SHA384:ECDHE+AES128+SHA1:ECDHE+AES256+SHA1"

static const char default_ciphers[] = GOOD_CIPHERS CBC_CIPHERS;
/* Many programs that have nothing after TLS 1.1 know no elliptic curves either. */
static const char old_ciphers[] = GOOD_CIPHERS CBC_CIPHERS ":AES128-SHA:AES256-SHA";
static const char default_tls13_ciphers[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* ---- handshakes ---- */

static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length,
                   const unsigned char *offered, unsigned offered_length, void *unused)
{
    (void)ssl;
    (void)unused;
    /* A client that offers something else wants another service: for example, a web page has sent
     * a browser to this port. */
    for (unsigned i = 0; i < offered_length; i += 1U + offered[i]) {
        if (offered_length - i < sizeof(tls_alpn_pop3) ||
            memcmp(offered + i, tls_alpn_pop3, sizeof(tls_alpn_pop3)) != 0)
            continue;
        *chosen = offered + i + 1;
        *chosen_length = sizeof(tls_alpn_pop3) - 1;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

const char *tls_context_names(const struct tls_context *context, const char *host)
{
    const struct tls_certificates *all = context == NULL ? NULL : &context->certificates;
    const SSL_CTX *found;

    if (all == NULL || all->group_count == 0)
        return NULL;
    found = tls_certificates_find(all, host);
    if (found == NULL)
        found = tls_certificates_default(all);
    for (size_t i = 0; i < all->group_count; i++)
        if (all->groups[i].ssl == found)
            return all->groups[i].names;
    return NULL;
}

static int on_server_name(SSL *ssl, int *alert, void *unused)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *found = NULL;

    (void)alert;
    (void)unused;
    if (name != NULL)
        found = tls_certificates_find(&tls_context_of(ssl)->certificates, name);
    if (found == NULL)
        return SSL_TLSEXT_ERR_NOACK; /* the default certificate is used */
    SSL_set_SSL_CTX(ssl, found);
    return SSL_TLSEXT_ERR_OK;
}

static bool set_ciphers(SSL_CTX *ssl_ctx, const struct tls_clients_settings *settings)
{
    bool is_old = settings->oldest == TLS_VERSION_1_0 || settings->oldest == TLS_VERSION_1_1;

    return SSL_CTX_set_cipher_list(ssl_ctx, is_old ? old_ciphers : default_ciphers) == 1 &&
           SSL_CTX_set_ciphersuites(ssl_ctx, default_tls13_ciphers) == 1 &&
           (settings->ciphers == NULL || tls_set_ciphers(ssl_ctx, settings->ciphers));
}

/* A client need not present a certificate, but one that it presents must be good. */
static bool ask_for_certificate(SSL_CTX *ssl_ctx, const char *ca)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);

    if (names == NULL)
        return false;
    SSL_CTX_set_client_CA_list(ssl_ctx, names);
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_load_verify_file(ssl_ctx, ca) == 1;
}

/* A session is only resumed under the same session context: the same instance, and the same list of
 * ciphers. Without the list in it, TLS 1.2 would resume a session with a cipher that has been
 * forbidden since. */
static bool set_session_context(SSL_CTX *ssl_ctx, const char *name)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ssl_ctx);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    bool is_good = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                   EVP_DigestUpdate(hash, name, strlen(name) + 1) == 1;

    for (int i = 0; is_good && i < sk_SSL_CIPHER_num(ciphers); i++) {
        const char *cipher = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i));
        is_good = EVP_DigestUpdate(hash, cipher, strlen(cipher) + 1) == 1;
    }
    is_good = is_good && EVP_DigestFinal_ex(hash, digest, &length) == 1 &&
              SSL_CTX_set_session_id_context(ssl_ctx, digest, length) == 1;
    EVP_MD_CTX_free(hash);
    return is_good;
}

/* Sessions are resumed by tickets alone, which any worker can read; a cache belongs to one worker.
 * Tickets stay off until tls_context_use_tickets(). */
static bool set_sessions(SSL_CTX *ssl_ctx, const char *name)
{
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ssl_ctx, TLS_TICKET_LIFETIME_S);
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl_ctx, 0);
    return set_session_context(ssl_ctx, name);
}

static int fail(struct error *error, const char *what, const char *value)
{
    return error_set(error, "%s = %s: %s", what, value, tls_error_words());
}

int tls_check_ciphers(const char *ciphers, struct error *error)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
    bool is_good;

    ERR_clear_error();
    is_good = ssl_ctx != NULL && tls_set_ciphers(ssl_ctx, ciphers);
    SSL_CTX_free(ssl_ctx);
    return is_good ? 0 : error_set(error, "%s: %s", ciphers, tls_error_words());
}

int tls_check_client_ca(const char *ca, struct error *error)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
    bool is_good;

    ERR_clear_error();
    is_good = ssl_ctx != NULL && ask_for_certificate(ssl_ctx, ca);
    SSL_CTX_free(ssl_ctx);
    return is_good ? 0 : error_set(error, "%s: %s", ca, tls_error_words());
}

static SSL_CTX *new_group(struct tls_context *context, const struct tls_clients_settings *settings,
                          struct error *error)
{
    SSL_CTX *ssl_ctx = tls_new_ssl_ctx(context, TLS_server_method());
    bool is_set = false;

    if (ssl_ctx == NULL) {
        error_set(error, "TLS: %s", tls_error_words());
        return NULL;
    }
    tls_set_oldest(ssl_ctx, settings->oldest);
    SSL_CTX_set_options(ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(ssl_ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_server_name);
    SSL_CTX_set_tlsext_status_cb(ssl_ctx, tls_on_staple);
    if (!set_ciphers(ssl_ctx, settings))
        fail(error, "tls_ciphers", settings->ciphers);
    else if (settings->client_ca != NULL && !ask_for_certificate(ssl_ctx, settings->client_ca))
        fail(error, "tls_client_ca", settings->client_ca);
    else if (!set_sessions(ssl_ctx, settings->name))
        error_set(error, "TLS: %s", tls_error_words());
    else
        is_set = true;
    if (is_set)
        return ssl_ctx;
    SSL_CTX_free(ssl_ctx);
    return NULL;
}

struct tls_context *tls_context_for_clients(const struct tls_clients_settings *settings,
                                            struct error *error)
{
    struct tls_context *context = tls_context_new();
    int result;

    if (context == NULL) {
        error_set(error, "out of memory");
        return NULL;
    }
    ERR_clear_error();
    tls_memory_begin_secret();
    result = tls_certificates_load(context, settings, new_group, error);
    tls_memory_end_secret();
    if (result == -1) {
        tls_context_free(context);
        return NULL;
    }
    context->ssl = tls_certificates_default(&context->certificates);
    SSL_CTX_up_ref(context->ssl);
    return context;
}

/* ---- warming up ---- */

/* Lets each end run in turn until both are done. A handshake that fails takes all turns. */
static void shake_hands(SSL *accepting, SSL *connecting)
{
    bool is_done = false;

    for (int i = 0; i < HANDSHAKE_TURNS && !is_done; i++) {
        int connected = SSL_do_handshake(connecting);
        int accepted = SSL_do_handshake(accepting);

        is_done = connected == 1 && accepted == 1;
    }
}

void tls_context_warm_up(const struct tls_context *context)
{
    SSL_CTX *other = context == NULL ? NULL : SSL_CTX_new(TLS_client_method());
    SSL *accepting = other == NULL ? NULL : SSL_new(context->ssl);
    SSL *connecting = other == NULL ? NULL : SSL_new(other);
    BIO *ends[2] = {NULL, NULL};

    if (accepting != NULL && connecting != NULL &&
        BIO_new_bio_pair(&ends[0], PAIR_BYTES, &ends[1], PAIR_BYTES) == 1) {
        SSL_set_bio(accepting, ends[0], ends[0]);
        SSL_set_bio(connecting, ends[1], ends[1]);
        SSL_set_accept_state(accepting);
        SSL_set_connect_state(connecting);
        shake_hands(accepting, connecting);
    }
    SSL_free(accepting);
    SSL_free(connecting);
    SSL_CTX_free(other);
    ERR_clear_error();
}
