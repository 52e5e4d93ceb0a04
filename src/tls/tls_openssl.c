/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ground floor of this folder: what every context has, whichever side it is for, and what it
 * takes to free one. Calls no other file of the folder.
 */
#include "tls/tls_openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a peer may send as its certificates; more would fill our memory. */
enum { CERTIFICATE_LIST_BYTES = 32 * 1024, CIPHERS_BYTES = 1024 };

const unsigned char tls_alpn_pop3[TLS_ALPN_BYTES] = {4, 'p', 'o', 'p', '3'};

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

int tls_refuse_passphrase(char *to, int size, int is_writing, void *unused)
{
    (void)to;
    (void)size;
    (void)is_writing;
    (void)unused;
    return -1;
}

X509 *tls_certificate_read(BIO *from)
{
    return PEM_read_bio_X509_AUX(from, NULL, tls_refuse_passphrase, NULL);
}

/* ---- contexts ---- */

static struct tls_context *contexts;

struct tls_context *tls_context_new(void)
{
    struct tls_context *context = calloc(1, sizeof(*context));

    if (context == NULL)
        return NULL;
    context->next = contexts;
    contexts = context;
    return context;
}

struct tls_context *tls_context_first(void)
{
    return contexts;
}

static void unlink_context(const struct tls_context *context)
{
    struct tls_context **link = &contexts;

    while (*link != context)
        link = &(*link)->next;
    *link = context->next;
}

SSL_CTX *tls_new_ssl_ctx(struct tls_context *context, const SSL_METHOD *method)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(method);

    if (ssl_ctx == NULL)
        return NULL;
    SSL_CTX_set_app_data(ssl_ctx, context);
    tls_set_oldest(ssl_ctx, TLS_VERSION_1_2);
    SSL_CTX_set_options(ssl_ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    /* NO_AUTO_CHAIN: the chain is what the file has; OpenSSL would otherwise search for one in each
     * handshake. */
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_clear_mode(ssl_ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_max_cert_list(ssl_ctx, CERTIFICATE_LIST_BYTES);
    SSL_CTX_set_read_ahead(ssl_ctx, 1);
    return ssl_ctx;
}

/* Splits one list into two: OpenSSL has a call of its own for the ciphers of TLS 1.3. Returns false
 * where the list is too long. */
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

bool tls_set_ciphers(SSL_CTX *ssl_ctx, const char *ciphers)
{
    char old[CIPHERS_BYTES];
    char tls13[CIPHERS_BYTES];

    if (!split_ciphers(ciphers, old, tls13))
        return false;
    return (old[0] == '\0' || SSL_CTX_set_cipher_list(ssl_ctx, old) == 1) &&
           (tls13[0] == '\0' || SSL_CTX_set_ciphersuites(ssl_ctx, tls13) == 1);
}

/* OpenSSL's lowest security level is the only one that has the signatures of TLS 1.0 and 1.1. */
void tls_set_oldest(SSL_CTX *ssl_ctx, enum tls_version oldest)
{
    static const int versions[] = {
        [TLS_VERSION_1_0] = TLS1_VERSION,
        [TLS_VERSION_1_1] = TLS1_1_VERSION,
        [TLS_VERSION_1_2] = TLS1_2_VERSION,
        [TLS_VERSION_1_3] = TLS1_3_VERSION,
    };

    SSL_CTX_set_min_proto_version(ssl_ctx, versions[oldest]);
    if (versions[oldest] < TLS1_2_VERSION)
        SSL_CTX_set_security_level(ssl_ctx, 0);
}

struct tls_context *tls_context_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static void free_certificates(struct tls_certificates *certificates)
{
    for (size_t i = 0; i < certificates->group_count; i++) {
        SSL_CTX_free(certificates->groups[i].ssl);
        free(certificates->groups[i].names);
    }
    for (size_t i = 0; i < certificates->name_count; i++)
        free(certificates->names[i].name);
    for (size_t i = 0; i < certificates->count; i++) {
        free(certificates->list[i]->path);
        free(certificates->list[i]->staple);
        free(certificates->list[i]);
    }
    free(certificates->groups);
    free(certificates->names);
    free(certificates->list);
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    unlink_context(context);
    for (int i = 0; i < TLS_SESSIONS; i++) {
        SSL_SESSION_free(context->sessions[i].session);
        free(context->sessions[i].key);
    }
    free_certificates(&context->certificates);
    SSL_CTX_free(context->ssl);
    free(context);
}
