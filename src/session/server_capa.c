/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAPA at the server before and after the login. Only sequential replies are assumed, no timing,
 * except for a server without CAPA.
 */
#include "session/server_capa.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "pop3/sasl.h"
#include "session/server_list.h"

enum {
    LIST_BEGIN_MS = 1000, /* for a server that says +OK to CAPA and sends no list */
    SILENCE_MS = 5000,    /* a server that has been silent for so long does not answer CAPA */
};

static const char *const capa[] = {"CAPA", NULL};

/* ---- before the login ---- */

/* Takes the first word off the text. Returns false if there is none; *word is not NUL-terminated. */
static bool next_word(const char **text, size_t *length, const char **word, size_t *width)
{
    const char *blank;

    while (*length > 0 && **text == ' ')
        ++*text, --*length;
    *word = *text;
    blank = *length == 0 ? NULL : memchr(*text, ' ', *length);
    *width = blank == NULL ? *length : (size_t)(blank - *text);
    *text += *width;
    *length -= *width;
    return *width > 0;
}

static bool is_word(const char *word, size_t width, const char *expected)
{
    return width == strlen(expected) && strncasecmp(word, expected, width) == 0;
}

static unsigned mechanism_bit(const char *word, size_t width)
{
    for (int i = SASL_MECHANISM_NONE + 1; i < SASL_MECHANISM_COUNT; i++)
        if (is_word(word, width, sasl_mechanism_info((enum sasl_mechanism)i)->name))
            return 1U << i;
    return 0;
}

/* Takes one line of the list. */
static void take_capability(struct server_facts *facts, const char *line, size_t length)
{
    const char *word;
    size_t width;

    if (!next_word(&line, &length, &word, &width))
        return;
    facts->has_pipelining |= is_word(word, width, "PIPELINING");
    if (is_word(word, width, "SASL"))
        while (next_word(&line, &length, &word, &width))
            facts->mechanisms |= mechanism_bit(word, width);
}

static void take_list(const struct session *session, struct server_list list,
                      struct server_facts *facts)
{
    const char *line;
    size_t length;

    facts->has_capa = true;
    while ((line = server_list_next(session, &list, &length)) != NULL)
        take_capability(facts, line, length);
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
    if (list.is_clean)
        take_list(session, list, facts);
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

/* ---- what is kept ---- */

static uint64_t key_of(const struct session *session)
{
    return known_servers_key(&session->server_address, stream_is_tls(&session->server));
}

/* The key of the one server of the instance, by its name: before the login it has no address. Its
 * addresses may be several servers that are alike. */
static uint64_t only_key(const struct session *session)
{
    return known_servers_name_key(&session->start->conf->server,
                                  session->values->server_tls != CONF_SERVER_TLS_NO);
}

static bool has_only_server(const struct session *session)
{
    return session->start->conf->has_server && session->values->route == NULL &&
           !session->values->select_server;
}

static void keep(const struct session *session)
{
    struct known_servers *known = session->start->known_servers;

    known_servers_put(known, key_of(session), clock_now_ms(), &session->server_facts);
    if (has_only_server(session))
        known_servers_put(known, only_key(session), clock_now_ms(), &session->server_facts);
}

/* The limit of the login or of the try has passed. */
static bool is_too_late(const struct session *session, int64_t now_ms)
{
    return now_ms >= session->login_deadline_ms ||
           (session->try_deadline_ms != 0 && now_ms >= session->try_deadline_ms);
}

/* What ask() has found says something about the server. It does not if the session was ended, or if
 * its limit left the server hardly any time. */
static bool is_evidence(const struct session *session, enum outcome outcome, int64_t asked_ms)
{
    int64_t now_ms = clock_now_ms();

    if (session->server_facts.has_capa)
        return true;
    return outcome != OUTCOME_STOPPED &&
           (!is_too_late(session, now_ms) || now_ms - asked_ms >= SILENCE_MS);
}

enum outcome server_capa_learn(struct session *session)
{
    struct server_facts *facts = &session->server_facts;
    int64_t asked_ms = clock_now_ms();
    enum outcome outcome;

    *facts = (struct server_facts){0};
    if (known_servers_find(session->start->known_servers, key_of(session), clock_now_ms(), facts))
        return OUTCOME_NONE;
    /* If the server closes the connection for it, or is silent, the next session does not ask again. */
    outcome = ask(session, facts);
    if (is_evidence(session, outcome, asked_ms))
        keep(session);
    return outcome;
}

void server_capa_trust(struct session *session)
{
    struct server_facts *facts = &session->server_facts;

    bool is_news =
        !facts->answers_once || (session->has_taken_response && !facts->takes_response);

    if (!facts->has_capa || !is_news)
        return;
    facts->answers_once = true;
    facts->takes_response |= session->has_taken_response;
    keep(session);
}

void server_capa_forget(const struct session *session)
{
    known_servers_remove(session->start->known_servers, key_of(session));
}

bool server_capa_has_tokens(const struct server_facts *facts)
{
    const unsigned tokens = 1U << SASL_MECHANISM_XOAUTH2 | 1U << SASL_MECHANISM_OAUTHBEARER;

    return !facts->has_capa || (facts->mechanisms & tokens) != 0;
}

bool server_capa_may_take_tokens(const struct session *session)
{
    struct server_facts facts;

    return !has_only_server(session) ||
           !known_servers_recall(session->start->known_servers, only_key(session), &facts) ||
           server_capa_has_tokens(&facts);
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
