/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plain TCP and TLS; see transport.h. Tickets are kept on a stack of limited size and used once
 * each, as RFC 8446 asks. A client that finds the stack empty makes a full handshake; the counts
 * tell how many did.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "transport.h"

#include "bench.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char error_text[256];
static struct transport_counts counts;

const char *transport_error(void)
{
    return error_text;
}

struct transport_counts transport_counts(void)
{
    return counts;
}

static enum transport_result errno_result(void)
{
    if (errno == EAGAIN || errno == EINTR)
        return TRANSPORT_AGAIN;
    strncpy(error_text, strerror(errno), sizeof(error_text) - 1);
    return TRANSPORT_ERROR;
}

#ifdef HAVE_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>

#define TICKETS_MAX 8192
#define SUITE "TLS_AES_128_GCM_SHA256"
#define GROUP "X25519"

static SSL_CTX *context, *server_context;
static struct transport_tls tls;
static SSL_SESSION *tickets[TICKETS_MAX];
static size_t tickets_used;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (tickets_used == TICKETS_MAX)
        return 0;
    tickets[tickets_used++] = session;
    return 1;                           /* we own it now */
}

static _Noreturn void die_tls(const char *what)
{
    bench_die("%s: %s", what, ERR_reason_error_string(ERR_peek_last_error()));
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *made = SSL_CTX_new(method);

    if (!made || !SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(made, SUITE) || !SSL_CTX_set1_groups_list(made, GROUP))
        die_tls("TLS 1.3 with " SUITE " and " GROUP);
    SSL_CTX_set_read_ahead(made, 1);
    SSL_CTX_set_default_read_buffer_len(made, 65536);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                           SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return made;
}

void transport_use_tls(const struct transport_tls *settings)
{
    tls = *settings;
    context = new_context(TLS_client_method());
    if (tls.ca_file && !SSL_CTX_load_verify_locations(context, tls.ca_file, NULL))
        die_tls(tls.ca_file);
    if (tls.ca_file)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (tls.is_resuming)
        SSL_CTX_sess_set_new_cb(context, keep_ticket);
}

void transport_serve_tls(const char *certificate_file, const char *key_file)
{
    server_context = new_context(TLS_server_method());
    if (!SSL_CTX_use_certificate_chain_file(server_context, certificate_file))
        die_tls(certificate_file);
    if (!SSL_CTX_use_PrivateKey_file(server_context, key_file, SSL_FILETYPE_PEM))
        die_tls(key_file);
}

static SSL *tls_new(struct transport *transport, SSL_CTX *of_context)
{
    SSL *ssl = SSL_new(of_context);

    transport->tls = ssl;
    if (!ssl || !SSL_set_fd(ssl, transport->fd))
        die_tls("SSL_new");
    return ssl;
}

static void tls_accept(struct transport *transport)
{
    SSL_set_accept_state(tls_new(transport, server_context));
}

static void tls_open(struct transport *transport)
{
    SSL *ssl = tls_new(transport, context);

    if (tls.name && (!SSL_set_tlsext_host_name(ssl, tls.name) || !SSL_set1_host(ssl, tls.name)))
        die_tls(tls.name);
    if (tls.is_resuming && tickets_used) {
        SSL_SESSION *session = tickets[--tickets_used];

        SSL_set_session(ssl, session);
        SSL_SESSION_free(session);
    }
    SSL_set_connect_state(ssl);
}

static enum transport_result tls_failure(void)
{
    unsigned long code = ERR_peek_error();

    if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return TRANSPORT_RUDE_EOF;
    ERR_error_string_n(code, error_text, sizeof(error_text));
    return TRANSPORT_ERROR;
}

static enum transport_result tls_result(struct transport *transport, int result)
{
    switch (SSL_get_error(transport->tls, result)) {
    case SSL_ERROR_NONE:
        return TRANSPORT_OK;
    case SSL_ERROR_WANT_WRITE:
        transport->wants_write = true;
        return TRANSPORT_AGAIN;
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_EOF;
    case SSL_ERROR_SYSCALL:
        return errno_result() == TRANSPORT_AGAIN ? TRANSPORT_RUDE_EOF : TRANSPORT_ERROR;
    default:
        return tls_failure();
    }
}

static enum transport_result tls_handshake(struct transport *transport)
{
    enum transport_result result;

    ERR_clear_error();
    result = tls_result(transport, SSL_do_handshake(transport->tls));
    if (result == TRANSPORT_OK) {
        counts.handshakes++;
        counts.resumed += SSL_session_reused(transport->tls) ? 1 : 0;
    }
    return result;
}

static enum transport_result tls_read(struct transport *transport, char *data, size_t size,
                                      size_t *len_r)
{
    ERR_clear_error();
    errno = EAGAIN;
    return tls_result(transport, SSL_read_ex(transport->tls, data, size, len_r));
}

static enum transport_result tls_write(struct transport *transport, const char *data, size_t len,
                                       size_t *len_r)
{
    ERR_clear_error();
    errno = EAGAIN;
    return tls_result(transport, SSL_write_ex(transport->tls, data, len, len_r));
}

static void tls_close(struct transport *transport)
{
    /* A client sends nothing, so that the session can be resumed; a server sends close_notify. */
    SSL_set_quiet_shutdown(transport->tls, !SSL_is_server(transport->tls));
    SSL_shutdown(transport->tls);
    SSL_free(transport->tls);
}

#else

static const bool *context;             /* always NULL */

void transport_use_tls(const struct transport_tls *settings)
{
    (void)settings;
    bench_die("this program was built without OpenSSL, so it has no TLS");
}

void transport_serve_tls(const char *certificate_file, const char *key_file)
{
    (void)certificate_file;
    (void)key_file;
    transport_use_tls(NULL);
}

static void tls_open(struct transport *transport)
{
    (void)transport;
}

static void tls_accept(struct transport *transport)
{
    (void)transport;
}

static enum transport_result tls_handshake(struct transport *transport)
{
    (void)transport;
    return TRANSPORT_ERROR;
}

static enum transport_result tls_read(struct transport *transport, char *data, size_t size,
                                      size_t *len_r)
{
    (void)data;
    (void)size;
    (void)len_r;
    return tls_handshake(transport);
}

static enum transport_result tls_write(struct transport *transport, const char *data, size_t len,
                                       size_t *len_r)
{
    (void)data;
    (void)len;
    (void)len_r;
    return tls_handshake(transport);
}

static void tls_close(struct transport *transport)
{
    (void)transport;
}

#endif

void transport_accept(struct transport *transport, int fd)
{
    *transport = (struct transport){.fd = fd};
}

void transport_accept_tls(struct transport *transport, int fd)
{
    transport_accept(transport, fd);
    tls_accept(transport);
}

void transport_open(struct transport *transport, int fd)
{
    transport_accept(transport, fd);
    if (context)
        tls_open(transport);
}

enum transport_result transport_handshake(struct transport *transport)
{
    transport->wants_write = false;
    return transport->tls ? tls_handshake(transport) : TRANSPORT_OK;
}

enum transport_result transport_read(struct transport *transport, char *data, size_t size,
                                     size_t *len_r)
{
    ssize_t n;

    if (transport->tls)
        return tls_read(transport, data, size, len_r);
    n = recv(transport->fd, data, size, 0);
    if (n < 0)
        return errno_result();
    *len_r = (size_t)n;
    return n ? TRANSPORT_OK : TRANSPORT_EOF;
}

enum transport_result transport_write(struct transport *transport, const char *data, size_t len,
                                      size_t *len_r)
{
    ssize_t n;

    transport->wants_write = false;
    if (transport->tls)
        return tls_write(transport, data, len, len_r);
    n = send(transport->fd, data, len, MSG_NOSIGNAL);
    if (n < 0) {
        transport->wants_write = errno == EAGAIN;
        return errno_result();
    }
    *len_r = (size_t)n;
    return TRANSPORT_OK;
}

void transport_close(struct transport *transport)
{
    if (transport->tls)
        tls_close(transport);
    close(transport->fd);
}
