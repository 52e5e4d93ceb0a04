/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing: the tables of the instance say which server has the user's mailbox, and how to log in
 * there. A server that the client has chosen needs no table.
 *
 * A table that fails refuses the login for now. It never leads to the default server: a user who
 * gets the wrong mailbox downloads his mail twice, or loses it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/conf_group.h"
#include "config/conf_route.h"
#include "pop3/reply.h"
#include "session/client_line.h"
#include "session/hold.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/trace.h"

enum { REFUSAL_BYTES = REPLY_LINE_BYTES - 2 };

/* An answer while it is taken. */
struct routing {
    struct session *session;
    enum outcome outcome;
    int64_t delay_until_s;
    char refusal[REFUSAL_BYTES]; /* "" for the words of the outcome */
};

/* ---- how to log in ---- */

/* A text of the answer, kept with the credentials; NULL and OUTCOME_INTERNAL without memory. */
static char *keep(struct routing *routing, const char *text)
{
    char *kept = credentials_keep(&routing->session->credentials, text, strlen(text));

    if (kept == NULL)
        routing->outcome = OUTCOME_INTERNAL;
    return kept;
}

/* Room for an object among the credentials, or NULL. */
static void *room_for_object(struct session *session, size_t size)
{
    char *room = credentials_room(&session->credentials, size + _Alignof(max_align_t));
    size_t excess = (uintptr_t)room % _Alignof(max_align_t);

    return room == NULL ? NULL : room + (excess == 0 ? 0 : _Alignof(max_align_t) - excess);
}

/* The password of the answer takes the place of whatever the client has given. */
static void take_password(struct routing *routing, const char *password, const char *mechanism)
{
    struct credentials *credentials = &routing->session->credentials;
    enum sasl_mechanism wanted =
        mechanism == NULL ? SASL_MECHANISM_NONE : sasl_mechanism_find(mechanism);
    const struct sasl_mechanism_info *info = sasl_mechanism_info(wanted);
    size_t size = strlen(password) + SASL_TOKEN_EXTRA;
    char *message;

    credentials->mechanism = SASL_MECHANISM_NONE;
    credentials->password = keep(routing, password);
    if (info == NULL || !info->is_token || credentials->password == NULL)
        return;
    message = credentials_room(credentials, size);
    if (message == NULL) {
        routing->outcome = OUTCOME_INTERNAL;
        return;
    }
    credentials->mechanism = wanted;
    credentials->message = message;
    credentials->message_length = sasl_token_make(wanted, password, message, size);
}

static void take_login(struct routing *routing, const char *const *fields)
{
    struct session *session = routing->session;
    struct credentials *credentials = &session->credentials;

    if (fields[ROUTE_FIELD_LOGIN] != NULL) {
        char *login = keep(routing, fields[ROUTE_FIELD_LOGIN]);
        if (login == NULL)
            return;
        credentials->user = login;
        session_note_user(session);
    }
    if (fields[ROUTE_FIELD_PASSWORD] != NULL)
        take_password(routing, fields[ROUTE_FIELD_PASSWORD], fields[ROUTE_FIELD_MECHANISM]);
    if (fields[ROUTE_FIELD_MASTER] != NULL)
        session->route.master = keep(routing, fields[ROUTE_FIELD_MASTER]);
}

/* ---- where ---- */

static void take_group(struct routing *routing, const char *name)
{
    const struct conf_group *group = conf_group_find(routing->session->start->conf->groups, name);

    if (group == NULL)
        routing->outcome = OUTCOME_ROUTE_FAILED; /* the helper has another configuration */
    else
        routing->session->route.group = &group->route;
}

/* A port alone is that of the default server, whichever of a group that is. */
static void take_server(struct session *session, const char *const *fields)
{
    struct session_route *route = &session->route;

    if (fields[ROUTE_FIELD_HOST] != NULL)
        route->group = NULL;
    if (fields[ROUTE_FIELD_PORT] != NULL)
        route->port = (uint16_t)strtoul(fields[ROUTE_FIELD_PORT], NULL, 10);
    conf_route_take_server(session->start->conf, fields, &session->server_name);
    route->tls = conf_route_tls(fields, route->tls);
    route->is_any_certificate = route_answer_takes_any_certificate(fields);
}

static void take_source(struct routing *routing, const char *text)
{
    struct address *source = room_for_object(routing->session, sizeof(*source));

    if (source == NULL || address_from_literal(source, text, 0) == -1) {
        routing->outcome = OUTCOME_INTERNAL;
        return;
    }
    routing->session->route.source = source;
}

static void take_found(struct routing *routing, const struct helper_routed *routed)
{
    struct session *session = routing->session;

    take_login(routing, routed->fields);
    take_server(session, routed->fields);
    if (routed->fields[ROUTE_FIELD_GROUP] != NULL)
        take_group(routing, routed->fields[ROUTE_FIELD_GROUP]);
    if (routed->fields[ROUTE_FIELD_SOURCE_IP] != NULL)
        take_source(routing, routed->fields[ROUTE_FIELD_SOURCE_IP]);
    if (routed->fields[ROUTE_FIELD_DELAY_UNTIL] != NULL)
        routing->delay_until_s = strtoll(routed->fields[ROUTE_FIELD_DELAY_UNTIL], NULL, 10);
}

/* ---- the four results ---- */

static void take_refusal(struct routing *routing, const struct helper_routed *routed)
{
    const char *reason = routed->fields[ROUTE_FIELD_REASON];

    routing->outcome = OUTCOME_ROUTE_REFUSED;
    if (reason != NULL && reason[0] != '\0')
        snprintf(routing->refusal, sizeof(routing->refusal), "-ERR %.*s",
                 (int)sizeof(routing->refusal) - 8, reason);
}

static enum io_status take_route(void *context, const struct helper_routed *routed)
{
    struct routing *routing = context;
    struct session_route *route = &routing->session->route;

    if (routed->table[0] != '\0')
        snprintf(route->name, sizeof(route->name), "%s", routed->table);
    switch (routed->result) {
    case ROUTE_FOUND:
        take_found(routing, routed);
        break;
    case ROUTE_NOT_FOUND:
        break;
    case ROUTE_REFUSED:
        take_refusal(routing, routed);
        break;
    case ROUTE_FAILED:
    case ROUTE_RESULT_COUNT:
        routing->outcome = OUTCOME_ROUTE_FAILED;
    }
    return IO_OK;
}

/* What the address of the server was resolved to, for the connect stage. */
static enum outcome keep_addresses(struct session *session, const struct helper_addresses *found)
{
    struct helper_addresses *kept;

    if (found->count == 0 || session->route.group != NULL)
        return OUTCOME_NONE;
    kept = room_for_object(session, sizeof(*kept));
    if (kept == NULL)
        return OUTCOME_INTERNAL;
    *kept = *found;
    for (size_t i = 0; i < kept->count; i++)
        address_set_port(&kept->list[i], session->server_name.port);
    session->route.addresses = kept;
    return OUTCOME_NONE;
}

/* ---- asking ---- */

static enum outcome ask(struct routing *routing, struct helper_addresses *found)
{
    struct session *session = routing->session;
    const struct credentials *credentials = &session->credentials;
    char client[ADDRESS_TEXT_SIZE];
    char client_port[8];
    char local[ADDRESS_TEXT_SIZE];
    char local_port[8];
    struct address own;
    struct helper_question question = {
        .login = credentials->user,
        .password = credentials_have_password(credentials) ? credentials->password : "",
        .client = address_host_text(&session->client_address, client),
        .client_port = client_port,
        .local_port = local_port,
        .is_tls = session->client_tls.version[0] != '\0',
    };
    enum io_status status;

    session_local_address(session, &own);
    question.local = address_host_text(&own, local);
    snprintf(client_port, sizeof(client_port), "%u", address_port(&session->client_address));
    snprintf(local_port, sizeof(local_port), "%u", address_port(&own));
    status = helper_route(session->start->helper, session->id,
                          address_account_key(&session->client_address), &question, take_route, routing,
                          session->login_deadline_ms, found);
    if (status == IO_STOPPED)
        return OUTCOME_STOPPED;
    if (status == IO_DEADLINE)
        return OUTCOME_ROUTE_TIMEOUT;
    return status == IO_OK ? routing->outcome : OUTCOME_ROUTE_FAILED;
}

/* A mailbox that is being moved opens at the time that the table says. */
static enum outcome wait_until(const struct session *session, int64_t until_s)
{
    int64_t left_ms = (until_s - clock_wall_s()) * 1000;
    enum io_status status;

    if (until_s == 0 || left_ms <= 0)
        return OUTCOME_NONE;
    if (clock_after_ms(left_ms) >= session->login_deadline_ms)
        return OUTCOME_ROUTE_DELAYED;
    status = wait_for(NULL, 0, clock_after_ms(left_ms));
    return status == IO_STOPPED ? OUTCOME_STOPPED : OUTCOME_NONE;
}

/* What an answer may change, as it was before. */
struct unrouted {
    struct credentials credentials;
    struct host_port server_name;
    struct session_route route;
};

static void forget_answer(struct session *session, const struct unrouted *before)
{
    struct credentials *credentials = &session->credentials;

    credentials->mechanism = before->credentials.mechanism;
    credentials->message = before->credentials.message;
    credentials->message_length = before->credentials.message_length;
    credentials->user = before->credentials.user;
    credentials->password = before->credentials.password;
    session->server_name = before->server_name;
    session->route = before->route;
    session_note_user(session);
}

/* Which table has decided, and for what. */
static void trace_answer(struct session *session, enum outcome outcome)
{
    const struct session_route *route = &session->route;
    char server[SESSION_SERVER_SIZE];

    if (outcome == OUTCOME_ROUTE_REFUSED)
        trace_note(session, "table %s refuses the login", route->name);
    else if (outcome != OUTCOME_NONE)
        trace_note(session, "routing fails: %s", outcome_reason(outcome));
    else if (route->group != NULL)
        trace_note(session, "route %s: group %s, user %s", route->name, route->group->name,
                   session->user);
    else
        trace_note(session, "route %s: server %s, user %s", route->name,
                   session_server_text(session, server), session->user);
}

static enum outcome run_once(struct session *session)
{
    struct routing routing = {.session = session};
    struct helper_addresses found;
    enum outcome outcome;

    session_enter(session, SESSION_STAGE_ROUTE);
    outcome = ask(&routing, &found);
    trace_answer(session, outcome);
    if (outcome == OUTCOME_ROUTE_REFUSED && routing.refusal[0] != '\0')
        client_say(session, routing.refusal);
    if (outcome == OUTCOME_NONE && session->route.group == NULL && session->server_name.port == 0)
        return OUTCOME_UNKNOWN_USER; /* no table knows him, and there is no default server */
    if (outcome == OUTCOME_NONE)
        outcome = keep_addresses(session, &found);
    return outcome == OUTCOME_NONE ? wait_until(session, routing.delay_until_s) : outcome;
}

/* The tables may give the login another name, and the operator may hold that one: then they are asked
 * again after the wait, as the mailbox may be elsewhere by then. */
enum outcome route_run(struct session *session)
{
    struct unrouted before = {.credentials = session->credentials,
                              .server_name = session->server_name,
                              .route = session->route};
    enum outcome outcome;

    if (session->values->route == NULL || session->route.is_client_choice)
        return OUTCOME_NONE;
    for (;;) {
        uint64_t name = session->sent_name;

        outcome = run_once(session);
        if (outcome != OUTCOME_NONE || session->sent_name == name || !hold_is_on(session))
            return outcome;
        outcome = hold_run(session);
        if (outcome != OUTCOME_NONE)
            return outcome;
        forget_answer(session, &before);
    }
}
