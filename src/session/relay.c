/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TRANSACTION state: one command to the server, its whole reply to the client, then the next.
 *
 * The client may send ahead as much as it likes: what is not served yet waits in its buffer and is
 * read on even while it does not take a reply, so that two full windows cannot hold each other.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "pop3/reply.h"
#include "session/stages.h"

enum { CLIENT_AHEAD_BYTES = 2 * COMMAND_LINE_BYTES };

/* A direction of a transfer must move at least min_rate octets a second, averaged over its limit:
 * a stalled peer is cut, a slow one that lives is not. */
struct pace {
    int64_t window_ms;
    int64_t window_end_ms;
    uint64_t octets;
    uint64_t octets_least; /* in a window */
};

static void pace_init(struct pace *pace, const struct session *session, int64_t limit_s)
{
    int64_t min_rate = session->conf->section.values.min_rate;

    *pace = (struct pace){
        .window_ms = limit_s * 1000,
        .window_end_ms = clock_after_ms(limit_s * 1000),
        .octets_least = (uint64_t)(min_rate > 0 ? min_rate * limit_s : 1),
    };
}

/* At the end of a window. True when the transfer may go on. */
static bool pace_renew(struct pace *pace)
{
    bool is_alive = pace->octets >= pace->octets_least;

    pace->octets = 0;
    pace->window_end_ms = clock_after_ms(pace->window_ms);
    return is_alive;
}

/* Before a wait. A window that ended while the other side was waited for says nothing about this
 * one: it begins anew. */
static int64_t pace_deadline_ms(struct pace *pace)
{
    if (clock_now_ms() >= pace->window_end_ms)
        (void)pace_renew(pace);
    return pace->window_end_ms;
}

/* A transfer under way: one multi-line reply. */
struct transfer {
    struct session *session;
    bool is_listing; /* a client that goes meanwhile loses nothing: its QUIT may still count */
    struct pace from_server;
    struct pace to_client;
};

/* ---- to the client ---- */

/* Waits until the client takes more; meanwhile reads what it sends ahead. */
static enum outcome wait_for_room(struct transfer *transfer)
{
    struct stream *client = &transfer->session->client;
    bool may_read = client->read_status == IO_OK &&
                    buffer_length(&client->in) < CLIENT_AHEAD_BYTES;
    struct pollfd fds[2] = {
        {.fd = client->write_fd, .events = client->write_wants},
        {.fd = may_read ? client->read_fd : -1, .events = client->read_wants},
    };
    enum io_status status = wait_for(fds, 2, pace_deadline_ms(&transfer->to_client));

    if (status == IO_DEADLINE && pace_renew(&transfer->to_client))
        return OUTCOME_NONE;
    if (status != IO_OK)
        return client_outcome(status, OUTCOME_CLIENT_STALLED);
    if (fds[1].revents != 0)
        (void)stream_try_fill(client, CLIENT_AHEAD_BYTES - buffer_length(&client->in));
    return OUTCOME_NONE;
}

static enum outcome pass(struct transfer *transfer, const char *data, size_t length)
{
    while (length > 0 && !transfer->session->is_client_gone) {
        size_t moved;
        enum io_status status =
            stream_try_write(&transfer->session->client, data, length, false, &moved);
        enum outcome outcome = OUTCOME_NONE;

        data += moved;
        length -= moved;
        transfer->to_client.octets += moved;
        transfer->session->reply_octets += moved;
        session_progress(transfer->session);
        if (status == IO_AGAIN)
            outcome = wait_for_room(transfer);
        else if (status != IO_OK && transfer->is_listing)
            transfer->session->is_client_gone = true;
        else if (status != IO_OK)
            outcome = OUTCOME_CLIENT_LOST;
        if (outcome != OUTCOME_NONE)
            return outcome;
    }
    return OUTCOME_NONE;
}

/* ---- from the server ---- */

static enum outcome read_on(struct transfer *transfer)
{
    struct session *session = transfer->session;
    enum io_status status = stream_fill(&session->server, BUFFER_BLOCK_BYTES,
                                        pace_deadline_ms(&transfer->from_server));

    if (status == IO_DEADLINE && pace_renew(&transfer->from_server))
        return OUTCOME_NONE;
    if (status != IO_OK)
        return server_outcome(status, OUTCOME_SERVER_STALLED);
    transfer->from_server.octets += buffer_length(&session->server.in);
    return OUTCOME_NONE;
}

/* Passes a multi-line reply on, octet for octet, its status line included, up to its end. */
static enum outcome pass_multi_line(struct session *session, size_t status_length,
                                    bool is_listing)
{
    const struct conf_values *values = &session->conf->section.values;
    struct buffer *in = &session->server.in;
    struct transfer transfer = {.session = session, .is_listing = is_listing};
    size_t skip = status_length; /* of the piece: not part of the body */
    struct reply_end end;
    bool is_end = false;

    pace_init(&transfer.from_server, session, values->server_timeout);
    pace_init(&transfer.to_client, session, values->timeout);
    reply_end_init(&end);
    session->is_reply_owed = false;
    while (!is_end) {
        enum outcome outcome = OUTCOME_NONE;

        if (buffer_length(in) > 0) {
            size_t length = skip + reply_end_scan(&end, buffer_data(in) + skip,
                                                  buffer_length(in) - skip, &is_end);
            skip = 0;
            outcome = pass(&transfer, buffer_data(in), length);
            buffer_consume(in, length);
        }
        if (outcome == OUTCOME_NONE && !is_end)
            outcome = read_on(&transfer);
        if (outcome != OUTCOME_NONE)
            return outcome;
    }
    return buffer_length(in) > 0 ? OUTCOME_SERVER_UNSOLICITED : OUTCOME_NONE;
}

static enum outcome pass_status(struct session *session, const struct server_reply *reply)
{
    stream_put(&session->client, reply->line, reply->length);
    session->reply_octets += reply->length;
    session->is_reply_owed = false;
    return server_reply_done(session, reply, true);
}

/* ---- one command ---- */

static void count(struct session *session, enum command_verb verb)
{
    if (verb == COMMAND_RETR)
        session->retrieved++;
    else if (verb == COMMAND_DELE)
        session->deleted++;
    else if (verb == COMMAND_RSET)
        session->deleted = 0;
}

/* The keyword in upper case and the argument as it came, which command_parse() has checked. */
static enum outcome send_command(struct session *session, const struct command *command,
                                 int64_t deadline_ms)
{
    struct stream *server = &session->server;
    enum io_status status;

    stream_put_text(server, command_keyword(command->verb));
    if (command->argument != NULL) {
        stream_put(server, " ", 1);
        stream_put(server, command->argument, command->argument_length);
    }
    stream_put(server, "\r\n", 2);
    client_line_done(session);
    status = stream_flush(server, false, deadline_ms);
    return status == IO_OK ? OUTCOME_NONE : server_outcome(status, OUTCOME_SERVER_TIMEOUT);
}

static enum outcome pass_reply(struct session *session, const struct command *command,
                               const struct server_reply *reply, int64_t deadline_ms)
{
    bool is_body = reply->is_ok && command->is_multi_line;
    bool is_listing = command->verb == COMMAND_LIST || command->verb == COMMAND_UIDL;
    enum outcome outcome;

    if (command->verb == COMMAND_CAPA)
        return capa_relay(session, reply, deadline_ms);
    /* Whoever did not get a message has not agreed to what was sent behind it. */
    if (is_body && !is_listing && session->is_client_gone)
        return OUTCOME_CLIENT_LOST;
    outcome = client_flush(session, deadline_ms);
    if (outcome == OUTCOME_NONE)
        outcome = is_body ? pass_multi_line(session, reply->length, is_listing)
                          : pass_status(session, reply);
    if (reply->is_ok && (outcome == OUTCOME_NONE || outcome == OUTCOME_SERVER_UNSOLICITED))
        count(session, command->verb);
    return outcome;
}

/* After QUIT the server commits the deletions; only its +OK says that it did. */
static enum outcome finish(struct session *session, const struct server_reply *reply)
{
    if (session->deleted > 0)
        session->commit = reply->is_ok ? COMMIT_OK : COMMIT_LOST;
    (void)pass_status(session, reply);
    return OUTCOME_QUIT;
}

static enum outcome serve_command(struct session *session, const struct command *command)
{
    int64_t deadline_ms = clock_after_ms(session->conf->section.values.server_timeout * 1000);
    struct command sent = *command; /* without the argument, which is gone once it is sent */
    struct server_reply reply;
    enum outcome outcome = send_command(session, command, deadline_ms);

    sent.argument = NULL;
    if (outcome == OUTCOME_NONE)
        outcome = server_reply_read(session, deadline_ms, &reply);
    if (outcome != OUTCOME_NONE)
        return outcome;
    return command->verb == COMMAND_QUIT ? finish(session, &reply)
                                         : pass_reply(session, &sent, &reply, deadline_ms);
}

enum outcome relay_run(struct session *session)
{
    int64_t timeout_ms = session->conf->section.values.timeout * 1000;

    session_enter(session, SESSION_STAGE_RELAY);
    for (;;) {
        struct command command;
        enum command_fault fault;
        enum outcome outcome = client_line_read(session, COMMAND_STATE_TRANS,
                                                clock_after_ms(timeout_ms), &command, &fault);

        if (outcome == OUTCOME_NONE)
            outcome = fault == COMMAND_GOOD ? serve_command(session, &command)
                                            : refuse_command(session, &command, fault);
        if (outcome != OUTCOME_NONE)
            return outcome;
    }
}
