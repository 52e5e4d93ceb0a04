/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAPA at the server before and after the login. Only sequential replies are assumed, no timing,
 * except for a server without CAPA.
 */
#include "session/server_capa.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "session/server_list.h"

enum { LIST_BEGIN_MS = 1000 }; /* for a server that says +OK to CAPA and sends no list */

static const char *const capa[] = {"CAPA", NULL};

/* ---- before the login ---- */

static bool has_capability(const struct session *session, struct server_list list, const char *word)
{
    const char *line;
    size_t length;

    while ((line = server_list_next(session, &list, &length)) != NULL)
        if (length == strlen(word) && strncasecmp(line, word, length) == 0)
            return true;
    return false;
}

/* Reads the list after the +OK, if there is one. It is not kept. */
static enum outcome read_facts(struct session *session, struct server_facts *facts)
{
    int64_t begin_ms = clock_earlier(session->login_deadline_ms, clock_after_ms(LIST_BEGIN_MS));
    struct server_list list;
    enum outcome outcome = OUTCOME_SERVER_UNSOLICITED;

    if (buffer_length(&session->server.in) == 0)
        outcome = server_listen(session, begin_ms);
    if (outcome != OUTCOME_SERVER_UNSOLICITED)
        return outcome;
    outcome = server_list_read(session, 0, server_login_deadline_ms(session), &list);
    if (outcome != OUTCOME_NONE)
        return outcome;
    facts->has_capa = list.is_clean;
    facts->has_pipelining = list.is_clean && has_capability(session, list, "PIPELINING");
    buffer_consume(&session->server.in, server_list_end(&list));
    return OUTCOME_NONE;
}

static enum outcome ask(struct session *session, struct server_facts *facts)
{
    struct server_reply reply = {.is_ok = false};
    enum outcome outcome = server_send(session, capa);

    if (outcome == OUTCOME_NONE)
        outcome = server_reply_read(session, 0, server_login_deadline_ms(session), &reply);
    if (outcome == OUTCOME_NONE)
        outcome = server_reply_done(session, &reply, !reply.is_ok);
    if (outcome == OUTCOME_NONE && reply.is_ok)
        outcome = read_facts(session, facts);
    return outcome;
}

enum outcome server_capa_learn(struct session *session)
{
    struct known_servers *known = session->start->known_servers;
    struct server_facts *facts = &session->server_facts;
    enum outcome outcome;

    if (known_servers_find(known, &session->server_address, clock_now_ms(), facts))
        return OUTCOME_NONE;
    /* If the server closes the connection for it, the next session does not ask again. */
    outcome = ask(session, facts);
    known_servers_put(known, &session->server_address, clock_now_ms(), facts);
    return outcome;
}

/* ---- after the login ---- */

/* A status line in the list shows that the +OK before it was not the reply to CAPA. */
static bool has_status_line(const struct session *session, struct server_list list)
{
    const char *line;
    size_t length;

    while ((line = server_list_next(session, &list, &length)) != NULL)
        if (length > 0 && (line[0] == '+' || line[0] == '-'))
            return true;
    return false;
}

static enum outcome read_proof(struct session *session, struct server_reply *reply)
{
    int64_t deadline_ms = server_login_deadline_ms(session);
    struct server_list list;
    struct server_reply status;
    enum outcome outcome = server_reply_read(session, reply->length, deadline_ms, &status);

    if (outcome != OUTCOME_NONE)
        return outcome;
    if (!status.is_ok)
        return OUTCOME_SERVER_UNSOLICITED;
    outcome = server_list_read(session, reply->length + status.length, deadline_ms, &list);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (!list.is_clean)
        return OUTCOME_SERVER_BAD_REPLY;
    reply->length = server_list_end(&list);
    return has_status_line(session, list) || buffer_length(&session->server.in) > reply->length
               ? OUTCOME_SERVER_UNSOLICITED
               : OUTCOME_NONE;
}

enum outcome server_capa_confirm(struct session *session, struct server_reply *reply, bool is_sent,
                                 size_t *line_length_r)
{
    bool has_capa = session->server_facts.has_capa;
    enum outcome outcome = OUTCOME_NONE;

    *line_length_r = reply->length;
    if (!is_sent && buffer_length(&session->server.in) > reply->length)
        return OUTCOME_SERVER_UNSOLICITED;
    if (!has_capa)
        outcome = server_settle(session);
    else if (!is_sent)
        outcome = server_listen(session, CLOCK_PASSED);
    if (outcome == OUTCOME_NONE && has_capa && !is_sent)
        outcome = server_send(session, capa);
    if (outcome == OUTCOME_NONE && has_capa)
        outcome = read_proof(session, reply);
    if (outcome == OUTCOME_NONE)
        reply->line = buffer_data(&session->server.in);
    return outcome;
}
