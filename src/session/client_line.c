/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's lines. A line is a command only when it is complete, so nothing is done with the
 * half of a command that a lost client has sent. A line that is too long is skipped as a whole and
 * never cut; if it does not end soon, it ends the session.
 */
#include "session/client_line.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pop3/opening.h"
#include "session/server_line.h"
#include "session/stage.h"
#include "session/trace.h"

enum {
    CLIENT_READ_BYTES = 2 * COMMAND_LINE_BYTES,
    SKIPPED_MAX = 64 * 1024,
    REFUSAL_BYTES = 128, /* the texts of command_fault.def are shorter */
    CLIENT_OUT_BYTES = BUFFER_BLOCK_BYTES / 4, /* after these a whole CAPA list still fits */
};

void client_owe_reply(struct session *session)
{
    session->is_reply_owed = true;
}

void client_reply_begun(struct session *session)
{
    session->is_reply_owed = false;
}

/* ---- finding a line in what has been read ---- */

/* Drops what belongs to a line that is too long. Returns true if its end was among it. */
static bool skip_line(struct session *session)
{
    struct buffer *in = &session->client.in;
    const char *newline = memchr(buffer_data(in), '\n', buffer_length(in));
    size_t length =
        newline == NULL ? buffer_length(in) : (size_t)(newline - buffer_data(in)) + 1;

    buffer_consume(in, length);
    session->skipped_octets += (unsigned)length;
    session->is_skipping_line = newline == NULL;
    return newline != NULL;
}

/* Returns true if a line is there. line_length includes the line's end; it is 0 for a line that was
 * too long and has just been skipped. */
static bool find_line(struct session *session, bool is_answer)
{
    struct buffer *in = &session->client.in;
    size_t length = buffer_length(in);
    size_t limit;
    const char *newline;

    session->line_length = 0;
    if (length == 0)
        return false;
    if (session->is_skipping_line)
        return skip_line(session);
    limit = is_answer ? COMMAND_SASL_LINE_BYTES : command_line_bytes(buffer_data(in), length);
    newline = memchr(buffer_data(in), '\n', length);
    if (newline != NULL && (size_t)(newline - buffer_data(in)) < limit) {
        session->line_length = (size_t)(newline - buffer_data(in)) + 1;
        return true;
    }
    if (newline == NULL && length < limit)
        return false;
    session->skipped_octets = 0;
    return skip_line(session);
}

/*
 * Ends the session of a client that speaks another protocol. It must not wait for us until its time
 * limit, nor take our refusals of its lines for the answers to the POP3 commands that may follow.
 */
static enum outcome check_beginning(const struct session *session)
{
    const struct buffer *in = &session->client.in;

    if (session->stage != SESSION_STAGE_LOGIN || session->is_skipping_line ||
        buffer_length(in) == 0)
        return OUTCOME_NONE;
    switch (opening_find(buffer_data(in), buffer_length(in))) {
    case OPENING_POP3:
        break;
    case OPENING_TLS:
        return stream_is_tls(&session->client) ? OUTCOME_NONE : OUTCOME_TLS_TO_CLEAR_PORT;
    case OPENING_PROXY_HEADER:
        return OUTCOME_PROXY_HEADER_REFUSED;
    case OPENING_FOREIGN:
        return OUTCOME_NOT_POP3;
    }
    return OUTCOME_NONE;
}

/* The line without its end: an LF, and a CR before it. Any other CR is a fault. */
static size_t line_text_length(const struct session *session)
{
    const char *line = buffer_data(&session->client.in);
    size_t length = session->line_length - 1;

    return length > 0 && line[length - 1] == '\r' ? length - 1 : length;
}

static enum command_fault parse_line(const struct session *session, enum command_state state,
                                     struct command *command)
{
    *command = (struct command){.verb = COMMAND_COUNT, .name = command_keyword(COMMAND_COUNT)};
    if (session->line_length == 0)
        return COMMAND_TOO_LONG;
    return command_parse(command, buffer_data(&session->client.in), line_text_length(session),
                         state);
}

void client_line_done(struct session *session)
{
    buffer_consume(&session->client.in, session->line_length);
    session->line_length = 0;
}

/* ---- waiting for one ---- */

static bool has_pending(const struct stream *stream)
{
    return stream->ops->has_pending(stream);
}

/* Waits for the client and the server: the end of the server, and what it sends unasked, must not
 * wait until the client sends its next command. */
static enum outcome wait_for_either(struct session *session, int64_t deadline_ms)
{
    struct pollfd fds[2] = {
        {.fd = session->client.read_fd, .events = session->client.read_wants},
        {.fd = session->server.read_fd, .events = POLLIN},
    };
    enum io_status status;

    if (has_pending(&session->client) || has_pending(&session->server)) {
        wait_pause();
        return server_check_quiet(session);
    }
    status = wait_for(fds, 2, deadline_ms);
    if (status != IO_OK)
        return client_outcome(status, OUTCOME_IDLE_TIMEOUT);
    return fds[1].revents != 0 ? server_check_quiet(session) : OUTCOME_NONE;
}

/* Most clients send the next command soon. So wait for the client alone at first, which costs less than
 * ppoll() for both. A server that ends the connection meanwhile is noticed a quarter of a second
 * later, or before the next command is sent. */
static enum io_status doze(struct session *session, int64_t deadline_ms)
{
    if (has_pending(&session->client) || has_pending(&session->server))
        return IO_AGAIN;
    return stream_doze(&session->client, CLIENT_READ_BYTES, deadline_ms);
}

/* Waits for both, and reads once. *was_watched_r is true if the server was watched meanwhile. */
static enum outcome read_in_relay(struct session *session, int64_t deadline_ms, bool *was_watched_r)
{
    enum io_status status = doze(session, deadline_ms);
    enum outcome outcome;

    if (status != IO_AGAIN)
        return client_outcome(status, OUTCOME_IDLE_TIMEOUT);
    outcome = wait_for_either(session, deadline_ms);
    *was_watched_r = true;
    if (outcome != OUTCOME_NONE)
        return outcome;
    status = stream_try_fill(&session->client, CLIENT_READ_BYTES);
    return status == IO_AGAIN ? OUTCOME_NONE : client_outcome(status, OUTCOME_NONE);
}

/* Reads once, with or without success. The deadline is checked here too, because for a client that
 * never stops sending we never wait. */
static enum outcome read_more(struct session *session, int64_t deadline_ms, bool *was_watched_r)
{
    struct stream *client = &session->client;
    bool is_login = !stream_is_open(&session->server);
    enum outcome outcome = client_flush(session, deadline_ms);
    enum io_status status;

    if (outcome != OUTCOME_NONE)
        return outcome;
    if (clock_now_ms() >= deadline_ms)
        return is_login ? OUTCOME_LOGIN_TIMEOUT : OUTCOME_IDLE_TIMEOUT;
    if (!session->is_client_gone && is_login)
        return client_outcome(stream_fill(client, CLIENT_READ_BYTES, deadline_ms),
                              OUTCOME_LOGIN_TIMEOUT);
    if (!session->is_client_gone && client->read_status == IO_OK)
        return read_in_relay(session, deadline_ms, was_watched_r);
    status = stream_try_fill(client, CLIENT_READ_BYTES);
    if (status == IO_AGAIN)
        return session->is_client_gone ? OUTCOME_CLIENT_LOST : OUTCOME_NONE;
    return client_outcome(status, OUTCOME_NONE);
}

/* The client is told, although its command has not ended. */
static enum outcome end_for_length(struct session *session)
{
    client_owe_reply(session);
    return OUTCOME_LINE_TOO_LONG;
}

/* Waits until there is a line. *was_watched_r is true if the server was watched in the last wait. */
static enum outcome wait_for_line(struct session *session, bool is_answer, int64_t deadline_ms,
                                  bool *was_watched_r)
{
    enum outcome outcome = OUTCOME_NONE;

    *was_watched_r = false;
    /* A client that sends commands ahead gets the first replies before they fill the buffer. */
    if (buffer_length(&session->client.out) > CLIENT_OUT_BYTES)
        outcome = client_flush(session, deadline_ms);
    while (outcome == OUTCOME_NONE) {
        bool is_found;

        outcome = is_answer ? OUTCOME_NONE : check_beginning(session);
        is_found = outcome == OUTCOME_NONE && find_line(session, is_answer);
        if (outcome == OUTCOME_NONE && session->skipped_octets > SKIPPED_MAX)
            return end_for_length(session);
        if (outcome != OUTCOME_NONE || is_found)
            return outcome;
        *was_watched_r = false;
        outcome = read_more(session, deadline_ms, was_watched_r);
    }
    return outcome;
}

enum outcome client_line_read(struct session *session, enum command_state state,
                              int64_t deadline_ms, struct command *command,
                              enum command_fault *fault_r)
{
    bool was_watched;
    enum outcome outcome = wait_for_line(session, false, deadline_ms, &was_watched);

    if (outcome != OUTCOME_NONE)
        return outcome;
    *fault_r = parse_line(session, state, command);
    trace_check(session);
    trace_client_command(session, command, *fault_r);
    client_owe_reply(session);
    /* If the line was there already, or came while we waited for the client alone, nobody has checked
     * the server yet. */
    return was_watched || !stream_is_open(&session->server) ? OUTCOME_NONE
                                                           : server_check_quiet(session);
}

enum outcome client_answer_read(struct session *session, int64_t deadline_ms, const char **line_r,
                                size_t *length_r)
{
    bool was_watched;
    enum outcome outcome = wait_for_line(session, true, deadline_ms, &was_watched);

    *line_r = NULL;
    if (outcome != OUTCOME_NONE)
        return outcome;
    trace_text(session, TRACE_FROM_CLIENT, TRACE_HIDDEN);
    client_owe_reply(session);
    if (session->line_length == 0)
        return OUTCOME_NONE;
    *line_r = buffer_data(&session->client.in);
    *length_r = line_text_length(session);
    return OUTCOME_NONE;
}

/* ---- replying ---- */

void client_say(struct session *session, const char *line)
{
    stream_put_text(&session->client, line);
    stream_put(&session->client, "\r\n", 2);
    trace_reply(session, TRACE_TO_CLIENT, line, strlen(line));
    client_reply_begun(session);
}

void client_say_error(struct session *session, const char *text)
{
    char line[REFUSAL_BYTES];

    snprintf(line, sizeof(line), "-ERR %s", text);
    client_say(session, line);
}

void client_challenge(struct session *session, const char *challenge)
{
    stream_put_text(&session->client, "+ ");
    stream_put_text(&session->client, challenge);
    stream_put(&session->client, "\r\n", 2);
    trace_text(session, TRACE_TO_CLIENT, "+ " TRACE_HIDDEN);
    client_reply_begun(session);
}

void client_pass(struct session *session, const char *line, size_t length)
{
    stream_put(&session->client, line, length);
    trace_reply(session, TRACE_TO_CLIENT, line, length);
    client_reply_begun(session);
}

enum outcome client_flush(struct session *session, int64_t deadline_ms)
{
    enum io_status status;

    if (session->is_client_gone)
        return OUTCOME_NONE;
    status = stream_flush(&session->client, false, deadline_ms);
    if (status == IO_FAILED && session->stage == SESSION_STAGE_RELAY) {
        /* What the client sent before it was lost still counts, above all a QUIT. */
        session->is_client_gone = true;
        buffer_clear(&session->client.out);
        return OUTCOME_NONE;
    }
    return client_outcome(status, OUTCOME_CLIENT_STALLED);
}

enum outcome client_count_refusal(struct session *session, const char *command, const char *fault,
                                  const char *words)
{
    struct log_line line;

    /* The line itself is not logged: it may be a password that was typed as a command. */
    session_log_begin(&line, session, EVENT_REFUSED_COMMAND);
    log_add(&line, "command", command);
    log_add(&line, "fault", fault);
    if (words[0] != '\0')
        session_log_words(&line, session, words);
    log_end(&line);
    session->refused++;
    return session->refused > CLIENT_REFUSED_MAX ? OUTCOME_TOO_MANY_REFUSED : OUTCOME_NONE;
}

enum outcome client_refuse(struct session *session, const char *command, const char *fault,
                           const char *text)
{
    client_say_error(session, text);
    return client_count_refusal(session, command, fault, "");
}

enum outcome client_refuse_command(struct session *session, const struct command *command,
                                   enum command_fault fault)
{
    client_line_done(session);
    return client_refuse(session, command->name, command_fault_word(fault),
                         command_fault_text(fault));
}
