/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tickets that clients resume their sessions with: keys that all processes share, and what
 * OpenSSL does with them.
 */
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>

#include "tls/tls_openssl.h"

enum { READ_TRIES = 1000 }; /* of keys that are being changed */

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
