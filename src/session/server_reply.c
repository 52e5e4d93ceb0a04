/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's side of the wire: reading status lines, and noticing when the server says more than
 * it was asked. One reply a command: a spare one would be taken for the answer to the next command,
 * so it ends the session.
 */
#include "base/clock.h"
#include "pop3/reply.h"
#include "session/stages.h"

typedef enum reply_status parse_function(const char *data, size_t length, size_t *length_r);

static enum outcome read_reply(struct session *session, parse_function *parse, int64_t deadline_ms,
                               struct server_reply *reply)
{
    struct buffer *in = &session->server.in;

    for (;;) {
        enum reply_status status = REPLY_INCOMPLETE;
        enum io_status read_status;

        if (buffer_length(in) > 0)
            status = parse(buffer_data(in), buffer_length(in), &reply->length);
        if (status == REPLY_OK || status == REPLY_ERR || status == REPLY_CHALLENGE) {
            reply_clean(buffer_data(in), reply->length);
            reply->line = buffer_data(in);
            reply->is_ok = status == REPLY_OK;
            reply->is_challenge = status == REPLY_CHALLENGE;
            return OUTCOME_NONE;
        }
        if (status == REPLY_INVALID)
            return OUTCOME_SERVER_BAD_REPLY;
        read_status = stream_fill(&session->server, BUFFER_BLOCK_BYTES, deadline_ms);
        if (read_status != IO_OK)
            return server_outcome(read_status, OUTCOME_SERVER_TIMEOUT);
    }
}

enum outcome server_reply_read(struct session *session, int64_t deadline_ms,
                               struct server_reply *reply)
{
    return read_reply(session, reply_parse, deadline_ms, reply);
}

enum outcome server_answer_read(struct session *session, int64_t deadline_ms,
                                struct server_reply *reply)
{
    return read_reply(session, reply_parse_auth, deadline_ms, reply);
}

enum outcome server_reply_done(struct session *session, const struct server_reply *reply,
                               bool is_last)
{
    buffer_consume(&session->server.in, reply->length);
    return is_last && buffer_length(&session->server.in) > 0 ? OUTCOME_SERVER_UNSOLICITED
                                                             : OUTCOME_NONE;
}

const char *server_words(const struct session *session, enum outcome outcome,
                         char text[SERVER_WORDS_SIZE])
{
    const struct buffer *in = &session->server.in;
    bool is_refusal = outcome == OUTCOME_SERVER_REFUSED || outcome == OUTCOME_SERVER_NO_STLS ||
                      outcome == OUTCOME_SERVER_BAD_REPLY;
    size_t length = is_refusal && !session->is_login_sent ? buffer_length(in) : 0;
    size_t end = 0;

    while (end < length && end < SERVER_WORDS_SIZE - 1 && buffer_data(in)[end] != '\r' &&
           buffer_data(in)[end] != '\n') {
        text[end] = reply_clean_octet(buffer_data(in)[end]);
        end++;
    }
    text[end] = '\0';
    return text;
}

enum outcome server_listen(struct session *session, int64_t until_ms)
{
    enum io_status status = stream_listen(&session->server, REPLY_LINE_BYTES, until_ms);

    return status == IO_OK ? OUTCOME_SERVER_UNSOLICITED : server_outcome(status, OUTCOME_NONE);
}

enum outcome server_check_quiet(struct session *session)
{
    if (buffer_length(&session->server.in) > 0)
        return OUTCOME_SERVER_UNSOLICITED;
    return server_listen(session, CLOCK_PASSED);
}
