/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dialogue of a check.
 */
#include "check/check_server.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "io/dial.h"
#include "io/stream.h"
#include "pop3/proxy_header.h"
#include "pop3/reply.h"
#include "tls/tls.h"

#define GOOD SERVER_FAILURE_COUNT

static bool has_tls_first(const struct check *check)
{
    return check->instance->values->server_tls == CONF_SERVER_TLS_IMPLICIT;
}

static uint16_t port_of(const struct check *check)
{
    return check->server->name.port != 0 ? check->server->name.port : check->instance->server_port;
}

/* ---- the connection ---- */

static enum server_failure find_addresses(const struct check *check, int64_t deadline_ms,
                                          struct helper_addresses *found, bool *is_helper_lost_r)
{
    const char *host = check->server->name.host;
    enum io_status status;

    found->count = 1;
    if (address_from_literal(&found->list[0], host, port_of(check)) == 0)
        return GOOD;
    status = helper_resolve(check->helper, "check", check->number, host, port_of(check), HELPER_SOON,
                            deadline_ms, found);
    *is_helper_lost_r = status == IO_FAILED;
    return status == IO_OK && found->count > 0 ? GOOD : SERVER_FAILURE_RESOLVE;
}

static const struct address *source_for(const struct check *check, int family)
{
    const struct conf_instance *instance = check->instance;

    for (size_t i = 0; i < instance->source_count; i++)
        if (instance->sources[i].sa.sa_family == family)
            return &instance->sources[i];
    return NULL;
}

static enum server_failure open_connection(const struct check *check, int64_t deadline_ms,
                                           struct stream *stream, bool *is_helper_lost_r)
{
    const struct dial_settings settings = {.source_ipv4 = source_for(check, AF_INET),
                                           .source_ipv6 = source_for(check, AF_INET6)};
    struct helper_addresses found;
    size_t chosen;
    int fd;
    enum io_status status;
    enum server_failure failure = find_addresses(check, deadline_ms, &found, is_helper_lost_r);

    if (failure != GOOD)
        return failure;
    status = dial(found.list, found.count, &settings, deadline_ms, &fd, &chosen, NULL);
    if (status != IO_OK)
        return status == IO_DEADLINE ? SERVER_FAILURE_CONNECT_TIMEOUT : SERVER_FAILURE_CONNECT;
    stream_open_socket(stream, fd);
    return GOOD;
}

/* There is no client: the header says that the connection is the proxy's own. */
static void put_header(const struct check *check, struct stream *stream)
{
    static const struct address none;
    char data[PROXY_HEADER_BUILD_MAX];
    size_t length = 0;

    if (check->instance->values->send_proxy_protocol == CONF_SEND_PROXY_V1)
        length = proxy_header_build_v1(data, sizeof(data), &none, &none);
    else if (check->instance->values->send_proxy_protocol == CONF_SEND_PROXY_V2)
        length = proxy_header_build_v2(data, sizeof(data), &none, &none, NULL);
    stream_put(stream, data, length);
}

/* ---- the dialogue ---- */

static enum server_failure begin_tls(const struct check *check, struct stream *stream,
                                     int64_t deadline_ms)
{
    const struct conf_instance *instance = check->instance;
    bool is_any = check->level != CONF_GROUP_CHECK_TLS && instance->server_tls_any != NULL;
    enum io_status status =
        stream_tls_connect(stream, is_any ? instance->server_tls_any : instance->server_tls,
                           check->server->name.host, port_of(check), deadline_ms);

    return status == IO_OK ? GOOD : SERVER_FAILURE_TLS;
}

/* Reads one status line and takes it from the input. */
static enum server_failure read_line(struct stream *stream, int64_t deadline_ms)
{
    for (;;) {
        enum reply_status status = REPLY_INCOMPLETE;
        size_t length;

        if (buffer_length(&stream->in) > 0)
            status = reply_parse(buffer_data(&stream->in), buffer_length(&stream->in), &length);
        if (status == REPLY_OK)
            buffer_consume(&stream->in, length);
        if (status != REPLY_INCOMPLETE)
            return status == REPLY_OK ? GOOD : SERVER_FAILURE_GREETING;
        if (stream_fill(stream, BUFFER_BLOCK_BYTES, deadline_ms) != IO_OK)
            return SERVER_FAILURE_REPLY;
    }
}

static enum server_failure say(struct stream *stream, const char *line, int64_t deadline_ms)
{
    stream_put_text(stream, line);
    return stream_flush(stream, false, deadline_ms) == IO_OK ? GOOD : SERVER_FAILURE_REPLY;
}

static enum server_failure begin_stls(const struct check *check, struct stream *stream,
                                      int64_t deadline_ms)
{
    enum server_failure failure = say(stream, "STLS\r\n", deadline_ms);

    if (failure == GOOD)
        failure = read_line(stream, deadline_ms);
    if (failure != GOOD || buffer_length(&stream->in) > 0)
        return SERVER_FAILURE_TLS; /* refused, or more was said than asked for */
    return begin_tls(check, stream, deadline_ms);
}

static enum server_failure greet(const struct check *check, struct stream *stream,
                                 int64_t deadline_ms)
{
    bool wants_stls = check->level == CONF_GROUP_CHECK_TLS &&
                      check->instance->values->server_tls == CONF_SERVER_TLS_STLS;
    enum server_failure failure = GOOD;

    put_header(check, stream);
    if (stream_flush(stream, false, deadline_ms) != IO_OK)
        return SERVER_FAILURE_REPLY;
    if (has_tls_first(check))
        failure = begin_tls(check, stream, deadline_ms);
    if (failure == GOOD)
        failure = read_line(stream, deadline_ms);
    if (failure == GOOD && wants_stls)
        failure = begin_stls(check, stream, deadline_ms);
    if (failure == GOOD && say(stream, "QUIT\r\n", deadline_ms) == GOOD)
        (void)read_line(stream, deadline_ms); /* so that the server does not log a lost client */
    return failure;
}

enum server_failure check_server(const struct check *check, int64_t deadline_ms,
                                 bool *is_helper_lost_r)
{
    struct stream stream = {0};
    enum server_failure failure;

    *is_helper_lost_r = false;
    failure = open_connection(check, deadline_ms, &stream, is_helper_lost_r);
    if (failure == GOOD && check->level != CONF_GROUP_CHECK_CONNECT)
        failure = greet(check, &stream, deadline_ms);
    stream_close(&stream);
    return failure;
}
