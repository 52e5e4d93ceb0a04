/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's status lines: one for each command. A second one would be taken for the reply to the
 * next command, so it ends the session.
 */
#include "session/server_line.h"

#include <string.h>

#include "base/clock.h"
#include "pop3/reply.h"
#include "session/trace.h"

enum {
    QUIET_MS = 5,      /* a reply sent together with the last one arrives within it */
    GOODBYE_MS = 1000, /* the end of a connection follows the server's last words within it */
    GOODBYE_LEAST = sizeof("-ERR") - 1,
};

/* ---- reading ---- */

typedef enum reply_status parse_function(const char *data, size_t length, size_t *length_r);

static enum outcome read_reply(struct session *session, parse_function *parse, size_t at,
                               int64_t deadline_ms, struct server_reply *reply)
{
    struct buffer *in = &session->server.in;

    for (;;) {
        enum reply_status status = REPLY_INCOMPLETE;
        enum io_status read_status;

        if (buffer_length(in) > at)
            status = parse(buffer_data(in) + at, buffer_length(in) - at, &reply->length);
        if (status == REPLY_OK || status == REPLY_ERR || status == REPLY_CHALLENGE) {
            reply_clean(buffer_data(in) + at, reply->length);
            reply->line = buffer_data(in) + at;
            reply->is_ok = status == REPLY_OK;
            reply->is_challenge = status == REPLY_CHALLENGE;
            trace_reply(session, TRACE_FROM_SERVER, reply->line, reply->length);
            return OUTCOME_NONE;
        }
        if (status == REPLY_INVALID)
            return OUTCOME_SERVER_BAD_REPLY;
        read_status = stream_fill(&session->server, BUFFER_BLOCK_BYTES, deadline_ms);
        if (read_status != IO_OK)
            return server_outcome(read_status, OUTCOME_SERVER_TIMEOUT);
    }
}

enum outcome server_reply_read(struct session *session, size_t at, int64_t deadline_ms,
                               struct server_reply *reply)
{
    return read_reply(session, reply_parse, at, deadline_ms, reply);
}

enum outcome server_answer_read(struct session *session, size_t at, int64_t deadline_ms,
                                struct server_reply *reply)
{
    return read_reply(session, reply_parse_auth, at, deadline_ms, reply);
}

enum outcome server_reply_done(struct session *session, const struct server_reply *reply,
                               bool is_last)
{
    buffer_consume(&session->server.in, reply->length);
    return is_last && buffer_length(&session->server.in) > 0 ? OUTCOME_SERVER_UNSOLICITED
                                                             : OUTCOME_NONE;
}

/* ---- listening ---- */

enum outcome server_listen(struct session *session, int64_t until_ms)
{
    enum io_status status = stream_listen(&session->server, REPLY_LINE_BYTES, until_ms);

    return status == IO_OK ? OUTCOME_SERVER_UNSOLICITED : server_outcome(status, OUTCOME_NONE);
}

/* One -ERR line, or its beginning. */
static bool may_be_goodbye(const struct buffer *in)
{
    static const char indicator[] = "-ERR";
    size_t length = buffer_length(in);
    size_t width = length < sizeof(indicator) - 1 ? length : sizeof(indicator) - 1;
    const char *newline = memchr(buffer_data(in), '\n', length);

    return length <= REPLY_LINE_BYTES && memcmp(buffer_data(in), indicator, width) == 0 &&
           (newline == NULL || newline + 1 == buffer_data(in) + length);
}

/*
 * Something has come that nothing was asked for. A server that ends an idle session may say why in
 * a line, and the end follows at once. Without the end it may be a second reply to a command, and
 * is never passed on.
 */
static enum outcome judge_unasked(struct session *session)
{
    int64_t deadline_ms = clock_after_ms(GOODBYE_MS);
    const struct buffer *in = &session->server.in;

    while (session->stage == SESSION_STAGE_RELAY && may_be_goodbye(in)) {
        enum io_status status = stream_fill(&session->server, REPLY_LINE_BYTES, deadline_ms);

        if (status == IO_STOPPED)
            return OUTCOME_STOPPED;
        if (status == IO_DEADLINE)
            break;
        session->has_last_words =
            (status == IO_EOF || status == IO_FAILED) && buffer_length(in) > GOODBYE_LEAST;
        if (session->has_last_words)
            return OUTCOME_SERVER_CLOSED;
        if (status != IO_OK)
            break;
    }
    return OUTCOME_SERVER_UNSOLICITED;
}

enum outcome server_check_quiet(struct session *session)
{
    enum outcome outcome = OUTCOME_SERVER_UNSOLICITED;

    if (buffer_length(&session->server.in) == 0)
        outcome = server_listen(session, CLOCK_PASSED);
    return outcome == OUTCOME_SERVER_UNSOLICITED ? judge_unasked(session) : outcome;
}

enum outcome server_settle(struct session *session)
{
    if (session->server_facts.has_capa)
        return OUTCOME_NONE;
    stream_acknowledge(&session->server);
    return server_listen(session,
                         clock_earlier(session->login_deadline_ms, clock_after_ms(QUIET_MS)));
}

/* ---- commands of the login ---- */

int64_t server_login_deadline_ms(const struct session *session)
{
    int64_t deadline_ms = clock_earlier(session->login_deadline_ms,
                                        clock_after_ms(session->values->server_timeout * 1000));

    if (session->try_deadline_ms == 0 || session->is_login_sent)
        return deadline_ms;
    return clock_earlier(deadline_ms, session->try_deadline_ms);
}

void server_put(struct session *session, const char *const *words)
{
    struct stream *server = &session->server;

    for (size_t i = 0; words[i] != NULL; i++) {
        if (i > 0)
            stream_put(server, " ", 1);
        stream_put_text(server, words[i]);
    }
    stream_put(server, "\r\n", 2);
    trace_server_words(session, words);
}

enum outcome server_flush(struct session *session)
{
    enum io_status status =
        stream_flush(&session->server, false, server_login_deadline_ms(session));

    return status == IO_OK ? OUTCOME_NONE : server_outcome(status, OUTCOME_SERVER_TIMEOUT);
}

enum outcome server_send(struct session *session, const char *const *words)
{
    server_put(session, words);
    return server_flush(session);
}

enum outcome server_exchange(struct session *session, const char *const *words, server_reader *read,
                             struct server_reply *reply)
{
    enum outcome outcome = server_check_quiet(session);

    if (outcome == OUTCOME_NONE)
        outcome = server_send(session, words);
    if (outcome == OUTCOME_NONE)
        outcome = read(session, 0, server_login_deadline_ms(session), reply);
    if (outcome == OUTCOME_NONE && buffer_length(&session->server.in) > reply->length)
        outcome = OUTCOME_SERVER_UNSOLICITED;
    return outcome;
}

/* ---- the last words ---- */

const char *server_words(const struct session *session, enum outcome outcome,
                         char text[SERVER_WORDS_SIZE])
{
    const struct buffer *in = &session->server.in;
    bool is_wanted =
        session->has_last_words || (outcome_keeps_words(outcome) && !session->is_login_sent);
    size_t length = is_wanted ? buffer_length(in) : 0;
    size_t end = 0;
    char line[REPLY_LINE_BYTES];

    while (end < length && end < sizeof(line) - 1 && buffer_data(in)[end] != '\r' &&
           buffer_data(in)[end] != '\n') {
        line[end] = reply_clean_octet(buffer_data(in)[end]);
        end++;
    }
    line[end] = '\0';
    /* The line is judged before it is cut: the beginning of a secret may lie across the cut. */
    if (secret_is_in(&session->secrets, line))
        end = 0;
    if (end > SERVER_WORDS_SIZE - 1)
        end = SERVER_WORDS_SIZE - 1;
    memcpy(text, line, end);
    text[end] = '\0';
    return text;
}
