/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a child gives up: the keys of contexts that it does not use. It has them because the master
 * reads all keys before it forks.
 */
#include "tls/tls_openssl.h"

/*
 * Frees the keys alone, of which the SSL_CTX has the only reference; OpenSSL overwrites them. The
 * rest of a context holds no secret. Freeing it as well would touch, and so copy, five times as many
 * pages in each child of a small server.
 */
static void free_keys(SSL_CTX *ssl)
{
    long found = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_FIRST);

    for (; found == 1; found = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_NEXT))
        EVP_PKEY_free(SSL_CTX_get0_privatekey(ssl));
}

/* From now on every use would end the process at once. */
static void forget(struct tls_context *context)
{
    struct tls_certificates *all = &context->certificates;

    if (all->group_count == 0)
        free_keys(context->ssl);
    for (size_t i = 0; i < all->group_count; i++) {
        free_keys(all->groups[i].ssl);
        all->groups[i].ssl = NULL;
    }
    context->ssl = NULL;
    context->tickets = NULL;
}

static bool is_among(const struct tls_context *context, struct tls_context *const *list,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == context)
            return true;
    return false;
}

void tls_keep_only(struct tls_context *const *kept, size_t count)
{
    bool has_tickets = false;

    tls_memory_begin_secret();
    for (struct tls_context *context = tls_context_first(); context != NULL;
         context = context->next) {
        if (!is_among(context, kept, count))
            forget(context);
        else if (context->tickets != NULL)
            has_tickets = true;
    }
    tls_memory_end_secret();
    if (!has_tickets)
        tls_tickets_forget();
}
