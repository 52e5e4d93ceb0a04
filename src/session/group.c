/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that chooses a server of a group, and what follows when it cannot be reached. Each server
 * of a group can serve every user, so the next one may stand in, but only until a login has been
 * sent: after that, nobody knows what the server has done with it.
 */
#include "session/group.h"

#include <string.h>

#include "base/clock.h"
#include "base/log_repeat.h"
#include "base/octet.h"
#include "io/wait.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/trace.h"

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
    session->route.login.key =
        route_group_key(session->route.group, login, session->values->delimiters);
    session->route.login.user = route_group_user(session->route.group, login);
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

    return route_group_choose(route->group, &route->login, clock_now_ms(), server_r);
}

void group_take(struct session *session, size_t server)
{
    session->route.group_server = (uint32_t)server;
    session->server_name = chosen(session)->name;
    session->server_name.port = port_of(session, chosen(session));
    trace_note(session, "group %s: server %s", session->route.group->name, chosen(session)->text);
}

/* Takes a server that the login has not tried. */
static enum outcome take_next(struct session *session)
{
    size_t server;

    switch (choose(session, &server)) {
    case ROUTE_CHOICE_SERVER:
        group_take(session, server);
        return OUTCOME_NONE;
    case ROUTE_CHOICE_DRAINED:
        trace_note(session, "group %s: every server is drained", session->route.group->name);
        return OUTCOME_GROUP_DRAINED;
    case ROUTE_CHOICE_FULL:
    case ROUTE_CHOICE_NONE:
        break;
    }
    trace_note(session, "group %s: no server is left to try", session->route.group->name);
    return OUTCOME_GROUP_FULL;
}

enum outcome group_run(struct session *session)
{
    enum outcome outcome;

    if (session->route.group == NULL)
        return OUTCOME_NONE;
    outcome = make_key(session);
    return outcome == OUTCOME_NONE ? take_next(session) : outcome;
}

int32_t group_in_use_wait_ms(const struct session *session)
{
    const struct route_group *group = session->route.group;

    return (int32_t)(group == NULL || group->in_use_wait_ms == -1
                         ? session->values->in_use_wait * 1000
                         : group->in_use_wait_ms);
}

/* ---- what the session has claimed ----
 *
 * A claim is told before it is counted, and told to be gone after it is given back. A worker that
 * is killed in between leaves a claim that is given back once too often: that is made good when the
 * server has no session any more. The other order would leave a count that nobody ever gives back.
 */

static void tell_claim(const struct session *session)
{
    const struct session_watch *watch = session->start->watch;

    if (watch != NULL && watch->claim != NULL)
        watch->claim(watch->context, session);
}

/* The user stays at the server from now on. */
static void begin_stay(struct session *session)
{
    const struct route_group *group = session->route.group;
    struct session_claim *claim = &session->claim;

    if (group->stay_ms == 0 || group->stay == NULL || claim->number == 0)
        return;
    claim->is_staying = true;
    tell_claim(session);
    claim->is_staying =
        route_stay_begin(group->stay, session->route.login.user, claim->number, group->stay_ms,
                         clock_now_ms(), &claim->stay_before);
    tell_claim(session);
}

static void end_stay(struct session *session)
{
    const struct route_group *group = session->route.group;
    const struct session_claim *claim = &session->claim;
    uint64_t user = session->route.login.user;

    if (!claim->is_staying)
        return;
    if (claim->has_logged_in)
        route_stay_end(group->stay, user, claim->number, group->stay_ms, clock_now_ms());
    else
        route_stay_undo(group->stay, user, claim->number, claim->stay_before);
}

static void tell_login(struct session *session, bool is_login)
{
    session->claim.is_login = is_login;
    tell_claim(session);
}

static void end_login(struct session *session)
{
    if (!session->claim.is_login)
        return;
    server_state_end_login(session->claim.state);
    tell_login(session, false);
}

void group_let_go(struct session *session)
{
    if (session->claim.state == NULL)
        return;
    end_login(session);
    end_stay(session);
    server_state_end_session(session->claim.state);
    session->claim = (struct session_claim){0};
    tell_claim(session);
}

/* ---- the turn ---- */

/* Nobody waits for a server that has gone down meanwhile, unless all are. */
static bool is_worth_waiting(const struct session *session)
{
    const struct route_group *group = session->route.group;
    bool is_any_up = false;

    for (size_t i = 0; i < group->count; i++)
        is_any_up = is_any_up || (!route_server_is_drained(&group->servers[i]) &&
                                  !server_state_is_down(group->servers[i].state));
    return !is_any_up || !server_state_is_down(session->claim.state);
}

static bool try_turn(struct session *session, uint32_t ticket, int64_t *pause_ms_r)
{
    tell_login(session, true);
    if (server_state_try_turn(session->claim.state, ticket, session->route.group->max_logins,
                              clock_now_ms(), pause_ms_r))
        return true;
    tell_login(session, false);
    return false;
}

static enum outcome wait_for_turn(struct session *session)
{
    struct server_state *state = session->claim.state;
    uint32_t ticket = server_state_join(state, clock_now_ms());
    enum outcome outcome = OUTCOME_NONE;
    int64_t pause_ms;

    session_enter(session, SESSION_STAGE_WAIT);
    while (!try_turn(session, ticket, &pause_ms)) {
        enum io_status status = wait_for(NULL, 0, clock_after_ms(pause_ms));

        if (status == IO_STOPPED)
            outcome = OUTCOME_STOPPED;
        else if (clock_now_ms() >= session->login_deadline_ms || !is_worth_waiting(session))
            outcome = OUTCOME_GROUP_BUSY;
        if (outcome != OUTCOME_NONE) {
            server_state_leave(state, ticket, clock_now_ms());
            return outcome;
        }
    }
    return OUTCOME_NONE;
}

static enum outcome begin_login(struct session *session)
{
    tell_login(session, true);
    if (server_state_begin_login(session->claim.state, session->route.group->max_logins))
        return OUTCOME_NONE;
    tell_login(session, false);
    return wait_for_turn(session);
}

/* ---- a try ---- */

/* Another server could be tried after this one. A choice may claim the turn to try a server that is
 * down, so this only looks whether an untried one is up. */
static bool has_alternative(const struct session *session)
{
    const struct route_group *group = session->route.group;

    for (size_t i = 0; i < group->count; i++)
        if (!route_tried_has(&session->route.login.tried, i) &&
            !route_server_is_drained(&group->servers[i]) &&
            !server_state_is_down(group->servers[i].state))
            return true;
    return false;
}

/* Gives the chosen server up for one that the login has not tried. A mailbox that is in use is tried at
 * its own server only. */
static enum outcome pass_over(struct session *session)
{
    route_tried_add(&session->route.login.tried, session->route.group_server);
    return session->is_login_sent ? OUTCOME_GROUP_FULL : take_next(session);
}

/* Counts the session at the chosen server, if that has room. */
static bool claim_server(struct session *session)
{
    const struct route_server *server = chosen(session);

    session->claim = (struct session_claim){.state = server->state, .number = server->number};
    tell_claim(session);
    if (server_state_begin_session(server->state, session->route.group->max_sessions))
        return true;
    session->claim = (struct session_claim){0};
    tell_claim(session);
    return false;
}

/* The same at the next one that has room, where the chosen one has none. */
static enum outcome begin_session(struct session *session)
{
    while (!claim_server(session)) {
        enum outcome outcome = pass_over(session);

        if (outcome != OUTCOME_NONE)
            return outcome;
    }
    begin_stay(session);
    return OUTCOME_NONE;
}

static void count_try(struct session *session)
{
    struct session_route *route = &session->route;

    if (!route_tried_has(&route->login.tried, route->group_server))
        route->attempt++;
    route_tried_add(&route->login.tried, route->group_server);
    session->try_deadline_ms =
        has_alternative(session) ? clock_after_ms(session->values->connect_timeout * 1000) : 0;
}

enum outcome group_begin_try(struct session *session)
{
    enum outcome outcome = OUTCOME_NONE;

    if (session->route.group == NULL)
        return OUTCOME_NONE;
    while (outcome == OUTCOME_NONE) {
        outcome = begin_session(session);
        if (outcome == OUTCOME_NONE)
            outcome = begin_login(session);
        if (outcome == OUTCOME_NONE)
            break;
        if (outcome == OUTCOME_GROUP_BUSY && clock_now_ms() < session->login_deadline_ms) {
            group_let_go(session);
            outcome = pass_over(session);
        }
    }
    if (outcome == OUTCOME_NONE)
        count_try(session);
    return outcome;
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
    session->claim.has_logged_in = outcome == OUTCOME_NONE;
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

static bool is_failover_new(const struct session *session, const char *reason)
{
    struct log_line kind;

    log_repeat_begin(&kind, EVENT_FAILOVER);
    log_add(&kind, "group", session->route.group->name);
    log_add(&kind, "server", chosen(session)->text);
    log_add(&kind, "reason", reason);
    return log_repeat_is_first(&kind);
}

static void log_failover(const struct session *session, const char *reason, size_t next)
{
    const struct route_group *group = session->route.group;
    struct log_line line;

    if (!is_failover_new(session, reason))
        return;
    session_log_begin(&line, session, EVENT_FAILOVER);
    log_add(&line, "group", group->name);
    log_add(&line, "server", chosen(session)->text);
    log_add(&line, "reason", reason);
    log_add(&line, "next", group->servers[next].text);
    if (session->failure != NULL)
        log_add_text(&line, "error", session->failure);
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
