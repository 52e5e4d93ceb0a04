/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doubles for TLS: it is only a flag, and what a session has done before it is checked.
 */
#include <string.h>

#include "peers.h"
#include "tls/tls.h"

struct tls_context *__wrap_tls_context_for_clients(const struct tls_clients_settings *settings,
                                                   struct error *error);
struct tls_context *__wrap_tls_context_for_servers(const struct tls_servers_settings *settings,
                                                   struct error *error);
enum io_status __wrap_stream_tls_accept(struct stream *stream, const struct tls_context *context,
                                        bool is_followed, int64_t deadline_ms);
enum io_status __wrap_stream_tls_connect(struct stream *stream, struct tls_context *context,
                                         const char *host, uint16_t port, int64_t deadline_ms);
bool __wrap_stream_is_tls(const struct stream *stream);
const char *__wrap_stream_tls_failure(const struct stream *stream);
const char *__wrap_stream_tls_first(const struct stream *stream, size_t *length_r);
void __wrap_stream_tls_facts(const struct stream *stream, struct tls_facts *facts);
void __wrap_stream_tls_names(const struct stream *stream, struct tls_names *names);

/* It is never read. */
static struct tls_context *context(void)
{
    static char dummy;

    return (struct tls_context *)&dummy;
}

struct tls_context *__wrap_tls_context_for_clients(const struct tls_clients_settings *settings,
                                                   struct error *error)
{
    (void)settings;
    (void)error;
    return context();
}

struct tls_context *__wrap_tls_context_for_servers(const struct tls_servers_settings *settings,
                                                   struct error *error)
{
    (void)settings;
    (void)error;
    return context();
}

/* Nothing that came in the clear may be left. */
static enum io_status handshake(struct stream *stream, bool *is_tls, int64_t deadline_ms)
{
    CHECK(!*is_tls && buffer_length(&stream->in) == 0 && buffer_length(&stream->out) == 0);
    *is_tls = true;
    if (!peers.has_bad_handshakes)
        return IO_OK;
    stream->read_status = stream->write_status = IO_FAILED;
    if (peers.io_most == 0)
        return IO_FAILED;
    return peers_pass_until(deadline_ms);
}

static bool ends_with(const struct octets *octets, const char *text)
{
    size_t length = strlen(text);

    return octets->length >= length &&
           memcmp(octets->data + octets->length - length, text, length) == 0;
}

enum io_status __wrap_stream_tls_accept(struct stream *stream, const struct tls_context *with,
                                        bool is_followed, int64_t deadline_ms)
{
    CHECK(with == context() && stream == &peers.session->client);
    CHECK(is_followed == (peers.tls == PEERS_TLS_IMPLICIT)); /* by the greeting */
    CHECK(peers.session->credentials.user == NULL);
    CHECK(peers.tls == PEERS_TLS_IMPLICIT
              ? peers.to_client.length == 0
              : ends_with(&peers.to_client, "+OK Begin TLS negotiation\r\n"));
    return handshake(stream, &peers.is_client_tls, deadline_ms);
}

enum io_status __wrap_stream_tls_connect(struct stream *stream, struct tls_context *with,
                                         const char *host, uint16_t port, int64_t deadline_ms)
{
    CHECK(with == context() && stream == &peers.session->server && host[0] != '\0' && port != 0);
    CHECK(peers.server_tls == PEERS_SERVER_TLS_IMPLICIT || ends_with(&peers.to_server, "STLS\r\n"));
    CHECK(peers.server_tls == PEERS_SERVER_TLS_STLS || peers.read_from_server == 0);
    return handshake(stream, &peers.is_server_tls, deadline_ms);
}

bool __wrap_stream_is_tls(const struct stream *stream)
{
    return stream == &peers.session->client ? peers.is_client_tls : peers.is_server_tls;
}

const char *__wrap_stream_tls_failure(const struct stream *stream)
{
    return __wrap_stream_is_tls(stream) && peers.has_bad_handshakes ? "as the script has it" : NULL;
}

const char *__wrap_stream_tls_first(const struct stream *stream, size_t *length_r)
{
    CHECK(__wrap_stream_is_tls(stream) && peers.has_bad_handshakes);
    *length_r = 0;
    return "";
}

/* A server that begins with STLS has a certificate. */
void __wrap_stream_tls_facts(const struct stream *stream, struct tls_facts *facts)
{
    (void)stream;
    *facts = (struct tls_facts){.version = "TLSv1.3", .cipher = "none"};
}

void __wrap_stream_tls_names(const struct stream *stream, struct tls_names *names)
{
    *names = (struct tls_names){.server_name = ""};
    if (stream == &peers.session->client && peers.tls != PEERS_TLS_IMPLICIT)
        *names = (struct tls_names){"pop.example.org", "joe@example.org"};
}
