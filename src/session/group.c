/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that chooses a server of a group, and what follows when it cannot be reached. Each server
 * of a group can serve every user, so the next one may stand in, but only until a login has been
 * sent: after that, nobody knows what the server has done with it.
 */
#include "session/group.h"

#include <string.h>

#include "base/clock.h"
#include "base/octet.h"
#include "session/stage.h"
#include "session/stages.h"

enum { POP3S_PORT = 995 };

static const struct route_server *chosen(const struct session *session)
{
    return &session->route.group->servers[session->route.group_server];
}

/* ---- the choice ---- */

/* What the group chooses by: the login at the server or its domain, in lower case. */
static enum outcome make_key(struct session *session)
{
    struct credentials *credentials = &session->credentials;
    char *login = credentials_keep(credentials, credentials->user, strlen(credentials->user));

    if (login == NULL)
        return OUTCOME_INTERNAL;
    for (char *c = login; *c != '\0'; c++)
        *c = octet_lower(*c);
    session->route.group_key =
        route_group_key(session->route.group, login, session->values->delimiters);
    return OUTCOME_NONE;
}

/* The port that a table names comes first, then that of the list. */
static uint16_t port_of(const struct session *session, const struct route_server *server)
{
    if (session->route.port != 0)
        return session->route.port;
    if (server->name.port != 0)
        return server->name.port;
    return session->route.tls == CONF_SERVER_TLS_IMPLICIT ? POP3S_PORT
                                                          : session->start->conf->server_port;
}

static enum route_choice choose(const struct session *session, size_t *server_r)
{
    const struct session_route *route = &session->route;

    return route_group_choose(route->group, route->group_key, &route->tried, clock_now_ms(),
                              server_r);
}

void group_take(struct session *session, size_t server)
{
    session->route.group_server = server;
    session->server_name = chosen(session)->name;
    session->server_name.port = port_of(session, chosen(session));
}

enum outcome group_run(struct session *session)
{
    enum outcome outcome;
    size_t server;

    if (session->route.group == NULL)
        return OUTCOME_NONE;
    outcome = make_key(session);
    if (outcome != OUTCOME_NONE)
        return outcome;
    switch (choose(session, &server)) {
    case ROUTE_CHOICE_SERVER:
        group_take(session, server);
        return OUTCOME_NONE;
    case ROUTE_CHOICE_DRAINED:
        return OUTCOME_GROUP_DRAINED;
    case ROUTE_CHOICE_NONE:
        break;
    }
    return OUTCOME_INTERNAL; /* nothing was tried yet */
}

/* ---- what the session holds ---- */

static void tell_hold(const struct session *session)
{
    const struct session_watch *watch = session->start->watch;

    if (watch != NULL && watch->hold != NULL)
        watch->hold(watch->context, session);
}

/* Another server could be tried after this one. A choice may claim the turn to try a server that is
 * down, so this only looks whether an untried one is up. */
static bool has_alternative(const struct session *session)
{
    const struct route_group *group = session->route.group;

    for (size_t i = 0; i < group->count; i++)
        if (!route_tried_has(&session->route.tried, i) &&
            !route_server_is_drained(&group->servers[i]) &&
            !server_state_is_down(group->servers[i].state))
            return true;
    return false;
}

void group_begin_try(struct session *session)
{
    if (session->route.group == NULL)
        return;
    route_tried_add(&session->route.tried, session->route.group_server);
    session->route.attempt++;
    session->try_deadline_ms =
        has_alternative(session) ? clock_after_ms(session->values->connect_timeout * 1000) : 0;
    session->hold = (struct session_hold){.state = chosen(session)->state, .is_login = true};
    server_state_begin_session(session->hold.state);
    server_state_begin_login(session->hold.state);
    tell_hold(session);
}

static void end_login(struct session *session)
{
    if (!session->hold.is_login)
        return;
    server_state_end_login(session->hold.state);
    session->hold.is_login = false;
}

void group_let_go(struct session *session)
{
    if (session->hold.state == NULL)
        return;
    end_login(session);
    server_state_end_session(session->hold.state);
    session->hold = (struct session_hold){0};
    tell_hold(session);
}

/* ---- what it finds out ---- */

/* What an end before the login says about the server; SERVER_FAILURE_COUNT: nothing. */
static enum server_failure failure_of(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_RESOLVE_FAILED:
    case OUTCOME_RESOLVE_TIMEOUT:
        return SERVER_FAILURE_RESOLVE;
    case OUTCOME_CONNECT_FAILED:
        return SERVER_FAILURE_CONNECT;
    case OUTCOME_CONNECT_TIMEOUT:
        return SERVER_FAILURE_CONNECT_TIMEOUT;
    case OUTCOME_SERVER_NO_STLS:
    case OUTCOME_SERVER_STLS_INJECTION:
    case OUTCOME_SERVER_TLS_FAILED:
        return SERVER_FAILURE_TLS;
    case OUTCOME_SERVER_REFUSED:
    case OUTCOME_SERVER_BAD_REPLY:
    case OUTCOME_SERVER_UNSOLICITED:
        return SERVER_FAILURE_GREETING;
    case OUTCOME_SERVER_TIMEOUT:
    case OUTCOME_SERVER_CLOSED:
    case OUTCOME_SERVER_LOST:
    case OUTCOME_SERVER_STALLED:
        return SERVER_FAILURE_REPLY;
    default:
        return SERVER_FAILURE_COUNT;
    }
}

/* The server has answered the login, whatever it said: it works. */
static bool is_answer(enum outcome outcome)
{
    return outcome == OUTCOME_NONE || outcome == OUTCOME_LOGIN_REFUSED ||
           outcome == OUTCOME_LOGIN_UNAVAILABLE;
}

void group_note_answer(struct session *session, enum outcome outcome)
{
    const struct route_group *group = session->route.group;

    if (group == NULL || !is_answer(outcome))
        return;
    end_login(session);
    tell_hold(session);
    route_group_log(group, chosen(session),
                    server_state_succeed(chosen(session)->state, !group->is_checked,
                                         clock_now_ms()),
                    "");
}

static void note_failure(const struct session *session, enum server_failure failure)
{
    const struct route_group *group = session->route.group;
    const struct route_server *server = chosen(session);

    route_group_log(group, server,
                    server_state_fail(server->state, failure, group->fall, clock_now_ms()),
                    server_failure_word(failure));
}

static void log_failover(const struct session *session, const char *reason, size_t next)
{
    const struct route_group *group = session->route.group;
    struct log_line line;

    session_log_begin(&line, session, EVENT_FAILOVER);
    log_add(&line, "group", group->name);
    log_add(&line, "server", chosen(session)->text);
    log_add(&line, "reason", reason);
    log_add(&line, "next", group->servers[next].text);
    log_end(&line);
}

/* The client has used up the time of the login: that says nothing about the server. */
static bool is_too_late(const struct session *session, enum outcome outcome)
{
    return outcome_is_limit(outcome) && clock_now_ms() >= session->login_deadline_ms;
}

bool group_find_next(struct session *session, enum outcome outcome, size_t *next_r)
{
    enum server_failure failure = failure_of(outcome);

    if (session->route.group == NULL || session->is_login_sent ||
        failure == SERVER_FAILURE_COUNT || is_too_late(session, outcome))
        return false;
    note_failure(session, failure);
    if (clock_now_ms() >= session->login_deadline_ms ||
        choose(session, next_r) != ROUTE_CHOICE_SERVER)
        return false;
    log_failover(session, server_failure_word(failure), *next_r);
    return true;
}
