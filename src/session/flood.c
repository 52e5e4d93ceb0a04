/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outcome.def says which ends come in floods, and whether the client or the server is the cause.
 */
#include "session/flood.h"

#include "base/log_repeat.h"

/* The client has gone, or its time has passed, before it has sent a command or begun TLS. */
static bool is_silent(const struct session *session, enum outcome outcome)
{
    bool is_gone = outcome == OUTCOME_CLIENT_CLOSED || outcome == OUTCOME_CLIENT_LOST ||
                   outcome == OUTCOME_LOGIN_TIMEOUT;

    return is_gone && session->free_commands == 0 && session->refused == 0 &&
           session->client_tls.version[0] == '\0';
}

/* The check of a load balancer or of a monitor. */
static bool is_check(const struct session *session, enum outcome outcome)
{
    return session->stage <= SESSION_STAGE_LOGIN &&
           (session->is_proxy_local || is_silent(session, outcome));
}

static bool is_first(const struct session *session, enum outcome outcome, const char *key,
                     const char *value)
{
    struct log_line kind;

    log_repeat_begin(&kind, EVENT_SESSION);
    kind.level = outcome_level(outcome);
    log_add(&kind, "instance", session->start->conf->section.name);
    log_add(&kind, "reason", outcome_reason(outcome));
    log_add(&kind, key, value);
    return log_repeat_is_first(&kind);
}

bool flood_is_line_due(const struct session *session, enum outcome outcome)
{
    char server[SESSION_SERVER_SIZE];
    char client[ADDRESS_TEXT_SIZE];

    if (is_check(session, outcome) && session->values->quiet)
        return false;
    if (is_check(session, outcome) || outcome_is_flood_of_client(outcome))
        return is_first(session, outcome, "client",
                        address_host_text(&session->client_address, client));
    if (outcome_is_flood_of_server(outcome))
        return is_first(session, outcome, "server", session_server_text(session, server));
    return true;
}
