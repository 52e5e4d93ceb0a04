/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How load generator and server read and write a connection: plain TCP or TLS, never blocking. This
 * is the only file that uses OpenSSL; without HAVE_TLS it has plain TCP only.
 *
 * TLS is TLS 1.3 with TLS_AES_128_GCM_SHA256 over X25519 only, so that all peers do the same work
 * on both sides, whatever they would prefer.
 */
#ifndef POP3_BENCH_TRANSPORT_H
#define POP3_BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport {
    int fd;
    void *tls;                  /* SSL *, or NULL on a plain connection */
    bool wants_write;           /* the last call waits for room to send, not for input */
};

enum transport_result {
    TRANSPORT_OK,               /* octets were moved, or the handshake is done */
    TRANSPORT_AGAIN,            /* wait for the descriptor, then call again */
    TRANSPORT_EOF,              /* an orderly end */
    TRANSPORT_RUDE_EOF,         /* TLS: the connection ended without close_notify */
    TRANSPORT_ERROR             /* transport_error() says what */
};

struct transport_tls {
    const char *ca_file;        /* PEM; NULL: the certificate is not checked */
    const char *name;           /* for SNI; checked if ca_file is set */
    bool is_resuming;           /* use tickets of earlier sessions, each once */
};

/* How many handshakes there were. */
struct transport_counts {
    uint64_t handshakes, resumed;
};

/* Every connection opened after this call uses TLS. Exits if that is impossible. */
void transport_use_tls(const struct transport_tls *settings);

/* Reads the certificate (with its chain) and the key for transport_accept_tls(), both PEM. Exits if
 * they are invalid. */
void transport_serve_tls(const char *certificate_file, const char *key_file);

/* Takes over a socket that is connected or connecting, as the client. */
void transport_open(struct transport *transport, int fd);

/* Takes over an accepted socket: with plain TCP, or with TLS from the start. */
void transport_accept(struct transport *transport, int fd);
void transport_accept_tls(struct transport *transport, int fd);

/* Continues the handshake: OK, AGAIN, EOF or ERROR. A plain connection is OK immediately. */
enum transport_result transport_handshake(struct transport *transport);

/* Reads up to `size` octets: OK with *len_r > 0, or the reason. */
enum transport_result transport_read(struct transport *transport, char *data, size_t size,
                                     size_t *len_r);
enum transport_result transport_write(struct transport *transport, const char *data, size_t len,
                                      size_t *len_r);

/* Closes the descriptor. */
void transport_close(struct transport *transport);

const char *transport_error(void);
struct transport_counts transport_counts(void);

#endif
