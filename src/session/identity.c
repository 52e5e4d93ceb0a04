/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who the client is, if load balancers and proxies stand in between. A load balancer tells us by
 * the PROXY protocol; that is the first stage. We tell the server by the PROXY protocol or by
 * Dovecot's XCLIENT.
 */
#include "session/identity.h"

#include <stdio.h>

#include "base/clock.h"
#include "pop3/proxy_header.h"
#include "session/server_line.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/trace.h"

enum { HEADER_LIMIT_MS = 5000 }; /* a load balancer sends it at once */

/* ---- from a load balancer ---- */

static bool must_send_header(const struct session *session)
{
    const struct conf_instance *conf = session->start->conf;

    return address_is_in_networks(conf->proxies, conf->proxy_count, &session->client_address);
}

static enum proxy_header_accept accepted(const struct session *session)
{
    switch (session->values->proxy_protocol) {
    case CONF_PROXY_V1:
        return PROXY_HEADER_ACCEPT_V1;
    case CONF_PROXY_V2:
        return PROXY_HEADER_ACCEPT_V2;
    default:
        return PROXY_HEADER_ACCEPT_EITHER;
    }
}

/* Reads at most `more` octets, so none of the client's own: its TLS handshake may follow the header
 * at once. A connection that ends without an octet is a load balancer's health check. */
static enum outcome read_header_octets(struct session *session, size_t more, int64_t deadline_ms)
{
    bool is_begun = buffer_length(&session->client.in) > 0;

    switch (stream_fill(&session->client, more, deadline_ms)) {
    case IO_OK:
    case IO_AGAIN:
        return OUTCOME_NONE;
    case IO_DEADLINE:
        return OUTCOME_PROXY_HEADER_MISSING;
    case IO_STOPPED:
        return OUTCOME_STOPPED;
    case IO_EOF:
        return is_begun ? OUTCOME_PROXY_HEADER_MALFORMED : OUTCOME_CLIENT_CLOSED;
    case IO_FAILED:
        break;
    }
    return OUTCOME_CLIENT_LOST;
}

static void take_header(struct session *session, const struct proxy_header *header)
{
    buffer_consume(&session->client.in, header->length);
    session->proxy_address = session->client_address;
    session->is_proxy_local = !header->has_addresses;
    if (!header->has_addresses)
        return;
    session->client_address = header->source;
    session->local_address = header->destination;
}

enum outcome identity_run(struct session *session)
{
    int64_t deadline_ms =
        clock_earlier(session->login_deadline_ms, clock_after_ms(HEADER_LIMIT_MS));
    struct buffer *in = &session->client.in;
    struct proxy_header header;

    if (!must_send_header(session))
        return OUTCOME_NONE;
    for (;;) {
        enum proxy_header_result result =
            proxy_header_parse(&header, accepted(session),
                               buffer_length(in) > 0 ? buffer_data(in) : "", buffer_length(in));
        enum outcome outcome;

        if (result == PROXY_HEADER_MALFORMED)
            return OUTCOME_PROXY_HEADER_MALFORMED;
        if (result == PROXY_HEADER_COMPLETE)
            break;
        outcome = read_header_octets(session, header.more, deadline_ms);
        if (outcome != OUTCOME_NONE)
            return outcome;
    }
    take_header(session, &header);
    return OUTCOME_NONE;
}

/* ---- to the server ---- */

static size_t build_header(const struct session *session, char data[PROXY_HEADER_BUILD_MAX])
{
    const struct address *from = &session->client_address;
    struct address to;
    const struct proxy_header_extras extras = {
        .is_tls = stream_is_tls(&session->client),
        .tls_version = session->client_tls.version,
        .server_name = session->client_names.server_name,
        .session = session->id,
    };

    session_local_address(session, &to);
    if (session->values->send_proxy_protocol == CONF_SEND_PROXY_V1)
        return proxy_header_build_v1(data, PROXY_HEADER_BUILD_MAX, from, &to);
    return proxy_header_build_v2(data, PROXY_HEADER_BUILD_MAX, from, &to, &extras);
}

enum outcome identity_send_header(struct session *session, int64_t deadline_ms)
{
    char data[PROXY_HEADER_BUILD_MAX];
    size_t length;
    enum io_status status;

    if (session->values->send_proxy_protocol == CONF_SEND_PROXY_NO)
        return OUTCOME_NONE;
    length = build_header(session, data);
    if (length == 0)
        return OUTCOME_INTERNAL;
    stream_put(&session->server, data, length);
    trace_note(session, "PROXY header of %zu octets to the server", length);
    status = stream_flush(&session->server, false, deadline_ms);
    return status == IO_OK ? OUTCOME_NONE : server_outcome(status, OUTCOME_CONNECT_TIMEOUT);
}

/* An attacker who can change what is said in the clear could remove the offer from the greeting,
 * and the server would take our address for the client's. So after STLS, XCLIENT is sent whatever
 * the greeting said (RFC 2595, section 4). CAPA would not help: servers do not announce XCLIENT in
 * it. */
static bool is_xclient_due(const struct session *session, bool is_offered)
{
    const struct conf_values *values = session->values;

    return values->send_xclient && (is_offered || session->route.tls == CONF_SERVER_TLS_STLS);
}

enum outcome identity_send_xclient(struct session *session, bool is_offered)
{
    char host[ADDRESS_TEXT_SIZE];
    char arguments[ADDRESS_TEXT_SIZE + SESSION_ID_SIZE + 32];
    struct server_reply reply;
    enum outcome outcome;

    if (!is_xclient_due(session, is_offered))
        return OUTCOME_NONE;
    address_host_text(&session->client_address, host);
    if (host[0] == '\0')
        return OUTCOME_NONE;
    snprintf(arguments, sizeof(arguments), "ADDR=%s PORT=%u SESSION=%s", host,
             address_port(&session->client_address), session->id);
    outcome = server_exchange(session, (const char *const[]){"XCLIENT", arguments, NULL},
                              server_reply_read, &reply);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (!reply.is_ok && is_offered)
        return OUTCOME_SERVER_REFUSED;
    return server_reply_done(session, &reply, true);
}
