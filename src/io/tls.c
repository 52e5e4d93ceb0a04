/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS contexts: what holds for every connection of an instance, and the sessions and tickets that
 * spare a handshake. Everything that may fail for want of a file fails here, before a session.
 */
#include "io/tls.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "io/tls_context.h"

enum {
    CERTIFICATE_LIST_BYTES = 32 * 1024, /* of a peer: no stranger fills our memory with more */
    CIPHERS_BYTES = 1024,
    /* Records taken with one read. Not more: before each, OpenSSL moves all it has to the front. */
    READ_AHEAD_BYTES = 2 * (SSL3_RT_MAX_PLAIN_LENGTH + 512),
    HANDSHAKE_TURNS = 10,
    PAIR_BYTES = 64 * 1024,
    READ_TRIES = 1000, /* of ticket keys that are being changed */
};

/* Forward secrecy and authenticated encryption, as everything since 2015 has it. TLS 1.3 has
 * nothing else. AES with 128 bits first: nobody breaks it, and a handshake costs a tenth less than
 * with 256 bits and the SHA-384 that comes with them. */
static const char default_ciphers[] = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char default_tls13_ciphers[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static const unsigned char alpn_pop3[] = {4, 'p', 'o', 'p', '3'};

const char *tls_error_words(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = code == 0 ? NULL : ERR_reason_error_string(code);

    if (words == NULL && ERR_SYSTEM_ERROR(code))
        words = strerror(ERR_GET_REASON(code));
    return words == NULL ? "unknown error" : words;
}

int64_t tls_seconds_of(const ASN1_TIME *time)
{
    struct tm broken_down;

    if (time == NULL || ASN1_TIME_to_tm(time, &broken_down) != 1)
        return 0;
    return (int64_t)timegm(&broken_down);
}

/* ---- both sides ---- */

SSL_CTX *tls_new_ssl_ctx(struct tls_context *context, const SSL_METHOD *method)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(method);

    if (ssl_ctx == NULL)
        return NULL;
    SSL_CTX_set_app_data(ssl_ctx, context);
    SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl_ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    /* The chain is what the file has: it is not looked for anew in each handshake. */
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_clear_mode(ssl_ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_max_cert_list(ssl_ctx, CERTIFICATE_LIST_BYTES);
    SSL_CTX_set_read_ahead(ssl_ctx, 1);
    return ssl_ctx;
}

struct tls_context *tls_context_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    for (int i = 0; i < TLS_SESSIONS; i++) {
        SSL_SESSION_free(context->sessions[i].session);
        free(context->sessions[i].key);
    }
    tls_certificates_free(&context->certificates);
    SSL_CTX_free(context->ssl);
    free(context);
}

/* ---- towards clients ---- */

static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length,
                   const unsigned char *offered, unsigned offered_length, void *unused)
{
    (void)ssl;
    (void)unused;
    /* Whoever offers something else believes to speak to another service: a browser misled to
     * this port, or a client to the wrong server. */
    for (unsigned i = 0; i < offered_length; i += 1U + offered[i]) {
        if (offered_length - i < sizeof(alpn_pop3) ||
            memcmp(offered + i, alpn_pop3, sizeof(alpn_pop3)) != 0)
            continue;
        *chosen = offered + i + 1;
        *chosen_length = sizeof(alpn_pop3) - 1;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
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
        return SSL_TLSEXT_ERR_NOACK; /* the first certificate */
    SSL_set_SSL_CTX(ssl, found);
    return SSL_TLSEXT_ERR_OK;
}

/* Two lists from one: TLS 1.3 has its own, and OpenSSL its own call for it. */
static bool split_ciphers(const char *ciphers, char old[CIPHERS_BYTES], char tls13[CIPHERS_BYTES])
{
    old[0] = tls13[0] = '\0';
    while (*ciphers != '\0') {
        size_t width = strcspn(ciphers, ":, ");
        char *to = strncmp(ciphers, "TLS_", 4) == 0 ? tls13 : old;
        size_t used = strlen(to);

        if (used + width + 2 > CIPHERS_BYTES)
            return false;
        if (width > 0 && used > 0)
            to[used++] = ':';
        memcpy(to + used, ciphers, width);
        to[used + width] = '\0';
        ciphers += width + (ciphers[width] != '\0');
    }
    return true;
}

static bool set_ciphers(SSL_CTX *ssl_ctx, const char *ciphers)
{
    char old[CIPHERS_BYTES];
    char tls13[CIPHERS_BYTES];

    if (!split_ciphers(ciphers != NULL ? ciphers : default_ciphers, old, tls13))
        return false;
    return SSL_CTX_set_cipher_list(ssl_ctx, old[0] != '\0' ? old : default_ciphers) == 1 &&
           SSL_CTX_set_ciphersuites(ssl_ctx, tls13[0] != '\0' ? tls13 : default_tls13_ciphers) == 1;
}

/* Asked for, not insisted on; one that is presented must be good. */
static bool ask_for_certificate(SSL_CTX *ssl_ctx, const char *ca)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);

    if (names == NULL)
        return false;
    SSL_CTX_set_client_CA_list(ssl_ctx, names);
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_load_verify_file(ssl_ctx, ca) == 1;
}

/* Sessions are resumed with tickets only, so that any worker can, and only where the name is the
 * same. */
static void set_sessions(SSL_CTX *ssl_ctx, const char *name)
{
    unsigned length = (unsigned)strnlen(name, SSL_MAX_SID_CTX_LENGTH);

    SSL_CTX_set_session_id_context(ssl_ctx, (const unsigned char *)name, length);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ssl_ctx, TLS_TICKET_LIFETIME_S);
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl_ctx, 0);
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
    is_good = ssl_ctx != NULL && set_ciphers(ssl_ctx, ciphers);
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
    if (settings->is_tls13_required)
        SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_3_VERSION);
    SSL_CTX_set_options(ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(ssl_ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_server_name);
    SSL_CTX_set_tlsext_status_cb(ssl_ctx, tls_on_staple);
    set_sessions(ssl_ctx, settings->name);
    if (!set_ciphers(ssl_ctx, settings->ciphers))
        fail(error, "tls_ciphers", settings->ciphers);
    else if (settings->client_ca != NULL && !ask_for_certificate(ssl_ctx, settings->client_ca))
        fail(error, "tls_client_ca", settings->client_ca);
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
    struct tls_context *context = calloc(1, sizeof(*context));

    if (context == NULL) {
        error_set(error, "out of memory");
        return NULL;
    }
    ERR_clear_error();
    if (tls_certificates_load(context, settings, new_group, error) == -1) {
        tls_context_free(context);
        return NULL;
    }
    context->ssl = tls_certificates_default(&context->certificates);
    SSL_CTX_up_ref(context->ssl);
    return context;
}

/* ---- warming up ---- */

/* Both ends in turn, until both are done or stuck for another reason than the other's turn. */
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

/* ---- session tickets ---- */

int tls_ticket_keys_rotate(struct tls_ticket_keys *keys)
{
    struct tls_ticket_key fresh;
    bool is_first = atomic_load_explicit(&keys->sequence, memory_order_relaxed) == 0;

    if (RAND_bytes((unsigned char *)&fresh, sizeof(fresh)) != 1)
        return -1;
    atomic_fetch_add_explicit(&keys->sequence, 1, memory_order_acq_rel);
    keys->previous = is_first ? fresh : keys->current;
    keys->current = fresh;
    atomic_fetch_add_explicit(&keys->sequence, 1, memory_order_release);
    explicit_bzero(&fresh, sizeof(fresh));
    return 0;
}

/* A copy that is all of one moment. False where there are no keys, or their writer has died in the
 * middle of a change. */
static bool read_ticket_keys(const struct tls_ticket_keys *keys, struct tls_ticket_key *current,
                             struct tls_ticket_key *previous)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&keys->sequence, memory_order_acquire);

        if (before == 0)
            return false;
        *current = keys->current;
        *previous = keys->previous;
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 &&
            atomic_load_explicit(&keys->sequence, memory_order_relaxed) == before)
            return true;
    }
    return false;
}

/* True when the ciphers could be set up. */
static int use_ticket_key(const struct tls_ticket_key *key, const unsigned char *iv,
                          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_encrypting)
{
    char digest[] = "SHA256";
    unsigned char mac_key[sizeof(key->mac)];
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof(mac_key)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    int is_good;

    memcpy(mac_key, key->mac, sizeof(mac_key));
    is_good = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, is_encrypting) &&
              EVP_MAC_CTX_set_params(mac, parameters);
    explicit_bzero(mac_key, sizeof(mac_key));
    return is_good;
}

/* OpenSSL's convention: 1 go on, 2 go on and issue a new ticket, 0 no ticket, -1 an error. */
static int with_ticket_keys(const struct tls_ticket_key *current,
                            const struct tls_ticket_key *previous, unsigned char name[16],
                            unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                            int is_encrypting)
{
    if (is_encrypting) {
        memcpy(name, current->name, sizeof(current->name));
        return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                       use_ticket_key(current, iv, cipher, mac, 1)
                   ? 1
                   : -1;
    }
    if (memcmp(name, current->name, sizeof(current->name)) == 0)
        return use_ticket_key(current, iv, cipher, mac, 0) ? 1 : -1;
    if (memcmp(name, previous->name, sizeof(previous->name)) == 0)
        return use_ticket_key(previous, iv, cipher, mac, 0) ? 2 : -1;
    return 0;
}

static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_encrypting)
{
    struct tls_ticket_key current, previous;
    int result = 0;

    if (read_ticket_keys(tls_context_of(ssl)->tickets, &current, &previous))
        result = with_ticket_keys(&current, &previous, name, iv, cipher, mac, is_encrypting);
    /* A ticket of TLS 1.3 is used once, so there must be a new one each time. */
    if (result == 1 && !is_encrypting && SSL_version(ssl) >= TLS1_3_VERSION)
        result = 2;
    explicit_bzero(&current, sizeof(current));
    explicit_bzero(&previous, sizeof(previous));
    return result;
}

void tls_context_use_tickets(struct tls_context *context, const struct tls_ticket_keys *keys)
{
    if (context == NULL || keys == NULL || SSL_CTX_get_verify_mode(context->ssl) != SSL_VERIFY_NONE)
        return;
    context->tickets = keys;
    for (size_t i = 0; i < context->certificates.group_count; i++) {
        SSL_CTX *ssl_ctx = context->certificates.groups[i].ssl;

        SSL_CTX_clear_options(ssl_ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl_ctx, 1); /* a mail program polls with one connection */
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket);
    }
}

/* ---- towards servers ---- */

static struct tls_session *session_slot(struct tls_context *context, const char *key)
{
    uint32_t hash = 2166136261U;

    for (const char *c = key; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    return &context->sessions[hash % TLS_SESSIONS];
}

SSL_SESSION *tls_session_find(struct tls_context *context, const char *key)
{
    const struct tls_session *slot = session_slot(context, key);

    return slot->key != NULL && strcmp(slot->key, key) == 0 ? slot->session : NULL;
}

/* A server has sent a ticket. Returns 1: the reference is ours. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const char *key = stream_tls_session_key(ssl);
    struct tls_session *slot = session_slot(tls_context_of(ssl), key);

    if (slot->key == NULL || strcmp(slot->key, key) != 0) {
        free(slot->key);
        slot->key = strdup(key);
    }
    SSL_SESSION_free(slot->session);
    slot->session = slot->key == NULL ? NULL : session;
    return slot->session != NULL;
}

static int set_trust(SSL_CTX *ssl_ctx, const char *ca, struct error *error)
{
    struct stat status;
    int is_set;

    if (ca == NULL)
        is_set = SSL_CTX_set_default_verify_paths(ssl_ctx);
    else if (stat(ca, &status) == -1)
        return error_set(error, "server_tls_ca = %s: %s", ca, strerror(errno));
    else if (S_ISDIR(status.st_mode))
        is_set = SSL_CTX_load_verify_dir(ssl_ctx, ca);
    else
        is_set = SSL_CTX_load_verify_file(ssl_ctx, ca);
    return is_set == 1 ? 0 : fail(error, "server_tls_ca", ca != NULL ? ca : "the system's");
}

struct tls_context *tls_context_for_servers(const struct tls_servers_settings *settings,
                                            struct error *error)
{
    struct tls_context *context = calloc(1, sizeof(*context));

    if (context != NULL)
        context->ssl = tls_new_ssl_ctx(context, TLS_client_method());
    if (context == NULL || context->ssl == NULL) {
        error_set(error, "TLS: %s", tls_error_words());
        free(context);
        return NULL;
    }
    ERR_clear_error();
    context->verify = settings->verify;
    SSL_CTX_set_verify(context->ssl, settings->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_default_read_buffer_len(context->ssl, READ_AHEAD_BYTES);
    SSL_CTX_set_session_cache_mode(context->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, on_new_session);
    if (SSL_CTX_set_alpn_protos(context->ssl, alpn_pop3, sizeof(alpn_pop3)) != 0)
        error_set(error, "TLS: out of memory");
    else if (!settings->verify || set_trust(context->ssl, settings->ca, error) == 0)
        return context;
    tls_context_free(context);
    return NULL;
}
