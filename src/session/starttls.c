/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS in a session: when it begins on either side (RFC 2595, RFC 8314). Knows no OpenSSL.
 *
 * An attacker may have written what came in the clear. So octets after STLS, or after the reply to
 * it, end the session: they would be taken as sent under TLS. And a USER before STLS is forgotten.
 */
#include "session/starttls.h"

#include <stdio.h>

#include "pop3/proxy_header.h"
#include "session/client_line.h"
#include "session/server_line.h"
#include "session/stage.h"
#include "session/trace.h"
#include "tls/tls.h"

enum { PROXY_HEADER_TELLING = 5 }; /* so many octets tell a PROXY header from TLS */

/* ---- with the client ---- */

bool client_may_stls(const struct session *session)
{
    int tls = session->values->tls;

    return (tls == CONF_TLS_STLS || tls == CONF_TLS_REQUIRED) && !stream_is_tls(&session->client);
}

bool client_needs_tls(const struct session *session)
{
    return session->values->tls == CONF_TLS_REQUIRED && !stream_is_tls(&session->client);
}

/* The first octets were not TLS but the PROXY header of a load balancer. */
static bool has_begun_with_header(const struct session *session)
{
    struct proxy_header header;
    size_t length;
    const char *first = stream_tls_first(&session->client, &length);

    return length >= PROXY_HEADER_TELLING &&
           proxy_header_parse(&header, PROXY_HEADER_ACCEPT_EITHER, first, length) !=
               PROXY_HEADER_MALFORMED;
}

/* What a handshake has agreed on, or why it has failed. */
static void trace_tls(struct session *session, const struct stream *stream,
                      const struct tls_facts *facts)
{
    const char *side = stream == &session->client ? "client" : "server";
    const char *failure = stream_tls_failure(stream);
    char text[STARTTLS_TEXT_SIZE];

    if (facts->version[0] != '\0')
        trace_note(session, "TLS with the %s: %s", side, starttls_text(facts, text));
    else
        trace_note(session, "TLS with the %s fails: %s", side,
                   failure == NULL ? "the handshake has not ended" : failure);
}

static enum outcome accept_tls(struct session *session, bool is_greeting_next)
{
    enum io_status status = stream_tls_accept(&session->client, session->start->conf->client_tls,
                                              is_greeting_next, session->login_deadline_ms);

    if (status == IO_OK)
        stream_tls_facts(&session->client, &session->client_tls);
    trace_tls(session, &session->client, &session->client_tls);
    switch (status) {
    case IO_OK:
        stream_tls_names(&session->client, &session->client_names);
        return OUTCOME_NONE;
    case IO_STOPPED:
        return OUTCOME_STOPPED;
    case IO_DEADLINE:
        return OUTCOME_LOGIN_TIMEOUT;
    default:
        return is_greeting_next && has_begun_with_header(session) ? OUTCOME_PROXY_HEADER_REFUSED
                                                                  : OUTCOME_TLS_FAILED;
    }
}

enum outcome client_tls_implicit(struct session *session)
{
    if (session->values->tls != CONF_TLS_IMPLICIT)
        return OUTCOME_NONE;
    return accept_tls(session, true);
}

enum outcome client_stls(struct session *session, const struct command *command)
{
    enum outcome outcome;

    if (session->start->conf->client_tls == NULL)
        return client_refuse_command(session, command, COMMAND_UNKNOWN);
    if (!client_may_stls(session))
        return client_refuse_command(session, command, COMMAND_WRONG_STATE);
    client_line_done(session);
    if (buffer_length(&session->client.in) > 0)
        return OUTCOME_STLS_INJECTION;
    credentials_wipe(&session->credentials);
    client_say(session, "+OK Begin TLS negotiation");
    outcome = client_flush(session, session->login_deadline_ms);
    return outcome == OUTCOME_NONE ? accept_tls(session, false) : outcome;
}

/* ---- with the server ---- */

static enum outcome connect_tls(struct session *session)
{
    const struct host_port *name = &session->server_name;
    const struct conf_instance *conf = session->start->conf;
    struct tls_context *context =
        session->route.is_any_certificate ? conf->server_tls_any : conf->server_tls;
    enum io_status status =
        stream_tls_connect(&session->server, context, name->host, name->port,
                           server_login_deadline_ms(session));

    if (status == IO_OK)
        stream_tls_facts(&session->server, &session->server_tls);
    trace_tls(session, &session->server, &session->server_tls);
    switch (status) {
    case IO_OK:
        return OUTCOME_NONE;
    case IO_STOPPED:
        return OUTCOME_STOPPED;
    case IO_DEADLINE:
        return OUTCOME_SERVER_TIMEOUT;
    default:
        return OUTCOME_SERVER_TLS_FAILED;
    }
}

enum outcome server_tls_implicit(struct session *session)
{
    if (session->route.tls != CONF_SERVER_TLS_IMPLICIT)
        return OUTCOME_NONE;
    return connect_tls(session);
}

enum outcome server_stls(struct session *session)
{
    struct server_reply reply;
    enum outcome outcome;

    if (session->route.tls != CONF_SERVER_TLS_STLS)
        return OUTCOME_NONE;
    outcome =
        server_exchange(session, (const char *const[]){"STLS", NULL}, server_reply_read, &reply);
    if (outcome == OUTCOME_SERVER_UNSOLICITED)
        return OUTCOME_SERVER_STLS_INJECTION;
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (!reply.is_ok)
        return OUTCOME_SERVER_NO_STLS;
    outcome = server_reply_done(session, &reply, true);
    return outcome == OUTCOME_NONE ? connect_tls(session) : outcome;
}

/* ---- for logs ---- */

void starttls_log_failure(const struct session *session, const struct stream *stream)
{
    bool is_client = stream == &session->client;
    const char *failure = stream_tls_failure(stream);
    char text[SESSION_SERVER_SIZE];
    struct log_line line;

    if (failure == NULL)
        return;
    session_log_begin(&line, session, EVENT_TLS_FAILED);
    if (!is_client)
        line.level = LOG_LEVEL_WARNING;
    log_add(&line, "side", is_client ? "client" : "server");
    if (!is_client)
        log_add(&line, "server", session_server_text(session, text));
    log_add_text(&line, "error", failure);
    log_end(&line);
}

const char *starttls_text(const struct tls_facts *facts, char text[STARTTLS_TEXT_SIZE])
{
    text[0] = '\0';
    if (facts->version[0] != '\0')
        snprintf(text, STARTTLS_TEXT_SIZE, "%s,%s", facts->version, facts->cipher);
    return text;
}
