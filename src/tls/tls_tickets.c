/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tickets with which clients resume their sessions: the keys, which children can only read, and
 * OpenSSL's callback that uses them.
 */
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/shared.h"
#include "tls/tls_openssl.h"

static const struct tls_ticket_keys *readable; /* what children see */

struct tls_ticket_keys *tls_ticket_keys_new(const struct tls_ticket_keys **view_r)
{
    const void *view;
    struct tls_ticket_keys *keys = published_new(sizeof(*keys), &view);

    *view_r = readable = view;
    return keys;
}

void tls_tickets_forget(void)
{
    shared_free(readable, sizeof(*readable));
    readable = NULL;
}

int tls_ticket_keys_rotate(struct tls_ticket_keys *keys)
{
    struct tls_ticket_key fresh;
    bool is_first = !seqlock_is_used(&keys->lock);

    if (RAND_bytes((unsigned char *)&fresh, sizeof(fresh)) != 1)
        return -1;
    seqlock_begin_write(&keys->lock);
    keys->pair.previous = is_first ? fresh : keys->pair.current;
    keys->pair.current = fresh;
    seqlock_end_write(&keys->lock);
    explicit_bzero(&fresh, sizeof(fresh));
    return 0;
}

/* Sets up the ciphers for one ticket. */
static bool use_ticket_key(const struct tls_ticket_key *key, const unsigned char *iv,
                           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_encrypting)
{
    char digest[] = "SHA256";
    unsigned char mac_key[sizeof(key->mac)];
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof(mac_key)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    bool is_good;

    memcpy(mac_key, key->mac, sizeof(mac_key));
    is_good =
        EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, is_encrypting) == 1 &&
        EVP_MAC_CTX_set_params(mac, parameters) == 1;
    explicit_bzero(mac_key, sizeof(mac_key));
    return is_good;
}

/* Returns what OpenSSL expects of its callback. To encrypt: 1 done, -1 error. To decrypt: 1 the key
 * was found, 2 the same and the client needs a new ticket, 0 unknown key, -1 error. */
static int with_ticket_keys(const struct tls_ticket_pair *keys, unsigned char name[16],
                            unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                            bool is_encrypting)
{
    if (is_encrypting) {
        memcpy(name, keys->current.name, sizeof(keys->current.name));
        return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                       use_ticket_key(&keys->current, iv, cipher, mac, true)
                   ? 1
                   : -1;
    }
    if (memcmp(name, keys->current.name, sizeof(keys->current.name)) == 0)
        return use_ticket_key(&keys->current, iv, cipher, mac, false) ? 1 : -1;
    if (memcmp(name, keys->previous.name, sizeof(keys->previous.name)) == 0)
        return use_ticket_key(&keys->previous, iv, cipher, mac, false) ? 2 : -1;
    return 0;
}

static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_encrypting)
{
    const struct tls_ticket_keys *shared = tls_context_of(ssl)->tickets;
    struct tls_ticket_pair keys;
    int result = 0;

    if (seqlock_is_used(&shared->lock) &&
        seqlock_read(&shared->lock, &keys, &shared->pair, sizeof(keys)))
        result = with_ticket_keys(&keys, name, iv, cipher, mac, is_encrypting != 0);
    /* A client uses a ticket of TLS 1.3 only once (RFC 8446, appendix C.4), so it needs a new one.
     */
    if (result == 1 && !is_encrypting && SSL_version(ssl) >= TLS1_3_VERSION)
        result = 2;
    explicit_bzero(&keys, sizeof(keys));
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
        SSL_CTX_set_num_tickets(ssl_ctx, 1); /* a mail program opens one connection at a time */
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket);
    }
}
