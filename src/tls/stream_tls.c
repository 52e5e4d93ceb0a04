/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS on a stream: a layer between the stream's buffers and the operations that moved its octets
 * before. OpenSSL reaches these operations through a BIO; nothing here calls the system to read or
 * write. Only the handshake and `receive` may sleep.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/octet.h"
#include "base/process.h"
#include "tls/tls_openssl.h"

enum { FAILURE_BYTES = 160 };

struct tls_layer {
    struct stream below; /* the stream as it was; its buffers are not used */
    SSL *ssl;
    bool has_more;    /* more output follows the write that is going on */
    bool is_up;       /* the handshake is over */
    bool is_followed; /* we send octets as soon as the handshake is over */
    /* How long the next read below may sleep; NULL: not at all. */
    const int64_t *receive_deadline_ms;
    bool is_drained; /* OpenSSL holds less than a whole record: wait before the next read */
    bool is_broken;  /* nothing may be sent any more, not even close_notify */
    char failure[FAILURE_BYTES];
    char first[STREAM_TLS_FIRST_BYTES]; /* of what the peer sent */
    size_t first_length;
    struct tls_peer peer; /* only used towards servers */
};

static struct tls_layer *layer_of(const struct stream *stream)
{
    return stream->layer;
}

/* ---- a BIO over the operations below ---- */

static int below_result(BIO *bio, enum io_status status, int retry)
{
    BIO_clear_retry_flags(bio);
    if (status == IO_AGAIN)
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    if (status == IO_EOF)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return status == IO_OK;
}

/* OpenSSL knows no stop. Report that nothing is there: the wait that follows returns IO_STOPPED
 * again. */
static enum io_status receive_below(struct tls_layer *layer, char *to, size_t size, size_t *moved_r)
{
    enum io_status status =
        layer->below.ops->receive(&layer->below, to, size, *layer->receive_deadline_ms, moved_r);

    return status == IO_STOPPED ? IO_AGAIN : status;
}

static void keep_first(struct tls_layer *layer, const char *from, size_t length)
{
    size_t room = sizeof(layer->first) - layer->first_length;

    if (length > room)
        length = room;
    memcpy(layer->first + layer->first_length, from, length);
    layer->first_length += length;
}

static int below_read(BIO *bio, char *to, size_t size, size_t *moved_r)
{
    struct tls_layer *layer = BIO_get_data(bio);
    enum io_status status;

    *moved_r = 0;
    if (layer->receive_deadline_ms != NULL)
        status = receive_below(layer, to, size, moved_r);
    else
        status = layer->below.ops->read(&layer->below, to, size, moved_r);
    if (!layer->is_up)
        keep_first(layer, to, *moved_r);
    return below_result(bio, status, BIO_FLAGS_READ);
}

/* More output follows at once. A ticket is the last message of a handshake. */
static bool is_more_to_come(const struct tls_layer *layer)
{
    return layer->has_more ||
           (layer->is_followed && SSL_get_state(layer->ssl) == TLS_ST_SW_SESSION_TICKET);
}

static int below_write(BIO *bio, const char *from, size_t length, size_t *moved_r)
{
    struct tls_layer *layer = BIO_get_data(bio);

    *moved_r = 0;
    return below_result(
        bio, layer->below.ops->write(&layer->below, from, length, is_more_to_come(layer), moved_r),
        BIO_FLAGS_WRITE);
}

static long below_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

/* One for the process, made with its first TLS stream. */
static BIO_METHOD *below_method(void)
{
    static BIO_METHOD *method;

    if (method != NULL)
        return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (method == NULL)
        return NULL;
    BIO_meth_set_read_ex(method, below_read);
    BIO_meth_set_write_ex(method, below_write);
    BIO_meth_set_ctrl(method, below_control);
    return method;
}

/* ---- results ---- */

/* The connection broke, or ended without close_notify: no error of TLS. */
static bool is_lost(void)
{
    return ERR_peek_error() == 0 ||
           ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* Keeps the first reason, as later ones only follow from it. A connection that is lost after the
 * handshake is not a failure of TLS. */
static void note_failure(struct tls_layer *layer, int saved_errno)
{
    long verified = SSL_get_verify_result(layer->ssl);
    const char *words = tls_error_words();

    if (layer->failure[0] != '\0' || (layer->is_up && is_lost()))
        return;
    if (ERR_peek_error() == 0)
        words = saved_errno != 0 ? strerror(saved_errno) : "the connection was closed";
    else if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        words = X509_verify_cert_error_string(verified);
    else if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        words = "the connection ended without close_notify";
    snprintf(layer->failure, sizeof(layer->failure), "%s", words);
}

/* The status of an operation that did not succeed. IO_AGAIN: *wants_r says what to wait for. */
static enum io_status status_of(struct tls_layer *layer, int result, short *wants_r)
{
    int saved_errno = errno;

    switch (SSL_get_error(layer->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *wants_r = POLLIN;
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants_r = POLLOUT;
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        break;
    }
    note_failure(layer, saved_errno);
    layer->is_broken = true;
    errno = saved_errno != 0 ? saved_errno : EPROTO;
    return IO_FAILED;
}

static void begin_operation(void)
{
    ERR_clear_error();
    errno = 0;
}

/* ---- the stream's operations ---- */

/* Lets the next read sleep below, if the operations there can. */
static void sleep_below(struct tls_layer *layer, const int64_t *deadline_ms)
{
    layer->receive_deadline_ms = layer->below.ops->receive != NULL ? deadline_ms : NULL;
}

/* OpenSSL wipes plaintext in its own buffers. Where our buffer holds no secret, save that work. */
static void wipe_secrets_only(const struct stream *stream)
{
    if (!stream->in.is_secret)
        SSL_clear_options(layer_of(stream)->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

/* Takes all records that have arrived, so that one large read is enough for them. */
static enum io_status tls_read(struct stream *stream, void *to, size_t size, size_t *moved_r)
{
    struct tls_layer *layer = layer_of(stream);
    enum io_status status = IO_OK;
    size_t total = 0;

    wipe_secrets_only(stream);
    do {
        size_t got = 0;
        int result;

        begin_operation();
        result = SSL_read_ex(layer->ssl, (char *)to + total, size - total, &got);
        if (result != 1)
            status = status_of(layer, result, &stream->read_wants);
        total += got;
        layer->receive_deadline_ms = NULL; /* after the first record, never sleep for another */
    } while (status == IO_OK && total < size && SSL_has_pending(layer->ssl));
    layer->is_drained = status == IO_AGAIN;
    if (total == 0)
        return status;
    /* If these octets are followed by the end or a failure, the next read returns it. */
    *moved_r = total;
    return IO_OK;
}

static enum io_status tls_receive(struct stream *stream, void *to, size_t size, int64_t deadline_ms,
                                  size_t *moved_r)
{
    sleep_below(layer_of(stream), &deadline_ms);
    return tls_read(stream, to, size, moved_r);
}

/* After the peer's close_notify, OpenSSL reports SSL_ERROR_ZERO_RETURN for any failed write. But
 * the peer has only ended its own direction, so a write that fails is a failure. */
static enum io_status tls_write(struct stream *stream, const void *from, size_t length,
                                bool has_more, size_t *moved_r)
{
    struct tls_layer *layer = layer_of(stream);
    enum io_status status;
    int result;

    layer->has_more = has_more || length > SSL3_RT_MAX_PLAIN_LENGTH;
    begin_operation();
    result = SSL_write_ex(layer->ssl, from, length, moved_r);
    if (result == 1)
        return IO_OK;
    status = status_of(layer, result, &stream->write_wants);
    return status == IO_EOF ? IO_FAILED : status;
}

static bool tls_has_pending(const struct stream *stream)
{
    const struct tls_layer *layer = layer_of(stream);

    return !layer->is_drained && SSL_has_pending(layer->ssl);
}

/* Tries once to send close_notify; does not wait for a peer that does not read. */
static void tls_close(struct stream *stream)
{
    struct tls_layer *layer = layer_of(stream);

    layer->has_more = false;
    if (!layer->is_broken)
        (void)SSL_shutdown(layer->ssl);
    SSL_free(layer->ssl);
    ERR_clear_error();
    layer->below.ops->close(&layer->below);
    stream->layer = NULL;
    free(layer);
}

static const struct stream_ops tls_ops = {
    .read = tls_read,
    .receive = tls_receive,
    .write = tls_write,
    .has_pending = tls_has_pending,
    .close = tls_close,
};

/* ---- the handshake ---- */

static enum io_status put_layer(struct stream *stream, const struct tls_context *context)
{
    struct tls_layer *layer = calloc(1, sizeof(*layer));
    BIO *bio = layer == NULL || below_method() == NULL ? NULL : BIO_new(below_method());

    if (bio != NULL)
        layer->ssl = SSL_new(context->ssl);
    if (bio == NULL || layer->ssl == NULL) {
        BIO_free(bio);
        free(layer);
        errno = ENOMEM;
        stream->read_status = stream->write_status = IO_FAILED;
        return IO_FAILED;
    }
    process_note_heap();
    layer->below = *stream;
    BIO_set_data(bio, layer);
    BIO_set_init(bio, 1);
    SSL_set_bio(layer->ssl, bio, bio);
    SSL_set_app_data(layer->ssl, &layer->peer);
    stream->ops = &tls_ops;
    stream->layer = layer;
    stream->is_own_socket = false;
    return IO_OK;
}

static enum io_status make_handshake(struct stream *stream, int64_t deadline_ms)
{
    struct tls_layer *layer = layer_of(stream);
    enum io_status status = IO_AGAIN;

    while (status == IO_AGAIN) {
        short wants = 0;
        int result;

        if (wait_may_sleep_in_calls())
            sleep_below(layer, &deadline_ms);
        begin_operation();
        result = SSL_do_handshake(layer->ssl);
        layer->receive_deadline_ms = NULL;
        layer->is_up = result == 1;
        if (layer->is_up) {
            SSL_certs_clear(layer->ssl); /* our key is not needed any more; a child may follow */
            return IO_OK;
        }
        status = status_of(layer, result, &wants);
        if (status == IO_AGAIN) {
            int fd = wants == POLLIN ? stream->read_fd : stream->write_fd;
            status = wait_for_one(fd, wants, deadline_ms);
            status = status == IO_OK ? IO_AGAIN : status;
        }
    }
    /* Nothing may follow in the clear, and OpenSSL cannot encrypt. */
    layer->is_broken = true;
    stream->read_status = stream->write_status = IO_FAILED;
    if (status == IO_EOF)
        status = IO_FAILED;
    if (layer->failure[0] == '\0')
        snprintf(layer->failure, sizeof(layer->failure), "%s",
                 status == IO_DEADLINE ? "the handshake was not finished in time"
                                       : "the handshake was not finished");
    return status;
}

enum io_status stream_tls_accept(struct stream *stream, const struct tls_context *context,
                                 bool is_followed, int64_t deadline_ms)
{
    enum io_status status = put_layer(stream, context);

    if (status != IO_OK)
        return status;
    layer_of(stream)->is_followed = is_followed;
    SSL_set_accept_state(layer_of(stream)->ssl);
    return make_handshake(stream, deadline_ms);
}

/* SNI must not be an address (RFC 6066, section 3), and a certificate has addresses in a field of
 * their own. */
static bool expect_host(SSL *ssl, const char *host, bool verify)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    struct address address;

    if (address_from_literal(&address, host, 1) == 0)
        return !verify || X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)host) == 1 && /* it is copied */
           (!verify || X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1);
}

enum io_status stream_tls_connect(struct stream *stream, struct tls_context *context,
                                  const char *host, uint16_t port, int64_t deadline_ms)
{
    enum io_status status = put_layer(stream, context);
    struct tls_layer *layer = layer_of(stream);

    if (status != IO_OK)
        return status;
    snprintf(layer->peer.key, sizeof(layer->peer.key), "%s:%u", host, port);
    begin_operation();
    if (!expect_host(layer->ssl, host, context->verify)) {
        note_failure(layer, EINVAL);
        layer->is_broken = true;
        stream->read_status = stream->write_status = IO_FAILED;
        errno = EINVAL;
        return IO_FAILED;
    }
    tls_session_offer(layer->ssl);
    SSL_set_connect_state(layer->ssl);
    return make_handshake(stream, deadline_ms);
}

/* ---- after the handshake ---- */

bool stream_is_tls(const struct stream *stream)
{
    return stream->ops == &tls_ops;
}

const char *stream_tls_failure(const struct stream *stream)
{
    if (!stream_is_tls(stream) || layer_of(stream)->failure[0] == '\0')
        return NULL;
    return layer_of(stream)->failure;
}

const char *stream_tls_first(const struct stream *stream, size_t *length_r)
{
    const struct tls_layer *layer = layer_of(stream);

    *length_r = stream_is_tls(stream) ? layer->first_length : 0;
    return *length_r > 0 ? layer->first : "";
}

/* Copies a text of a certificate. Returns false, and copies nothing, where it is too long or has a
 * control octet. */
static bool copy_text(char to[TLS_NAME_SIZE], const ASN1_STRING *text)
{
    unsigned char *utf8 = NULL;
    int length = ASN1_STRING_to_UTF8(&utf8, text);
    bool is_good = length > 0 && length < TLS_NAME_SIZE;

    for (int i = 0; is_good && i < length; i++)
        is_good = !octet_is_control((char)utf8[i]);
    if (is_good)
        memcpy(to, utf8, (size_t)length + 1);
    OPENSSL_free(utf8);
    return is_good;
}

static void name_of_certificate(const X509 *x509, char to[TLS_NAME_SIZE])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    const X509_NAME *subject = X509_get_subject_name(x509);
    int common = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    bool is_found = false;

    for (int i = 0; !is_found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        is_found = one->type == GEN_EMAIL && copy_text(to, one->d.rfc822Name);
    }
    if (!is_found && common >= 0)
        copy_text(to, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, common)));
    GENERAL_NAMES_free(names);
}

void stream_tls_facts(const struct stream *stream, struct tls_facts *facts)
{
    const SSL *ssl = layer_of(stream)->ssl;

    *facts = (struct tls_facts){.is_resumed = SSL_session_reused(ssl)};
    snprintf(facts->version, sizeof(facts->version), "%s", SSL_get_version(ssl));
    snprintf(facts->cipher, sizeof(facts->cipher), "%s", SSL_get_cipher_name(ssl));
}

void stream_tls_names(const struct stream *stream, struct tls_names *names)
{
    const SSL *ssl = layer_of(stream)->ssl;
    const char *server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const X509 *x509 = SSL_get0_peer_certificate(ssl);

    *names = (struct tls_names){.server_name = ""};
    if (server_name != NULL)
        snprintf(names->server_name, sizeof(names->server_name), "%s", server_name);
    if (x509 != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
        SSL_get_verify_result(ssl) == X509_V_OK)
        name_of_certificate(x509, names->certificate);
}
