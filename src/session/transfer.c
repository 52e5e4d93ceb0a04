/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passes a multi-line reply from the server to the client, octet for octet, up to its end. The end
 * is found by reading every octet. After the first 256 KiB, if both sides are plain sockets, the
 * octets are only peeked at and then moved by splice(2) inside the kernel.
 *
 * While the client does not take the reply, its input is still read, so that a client that sends
 * commands ahead and we cannot block each other with full windows.
 *
 * Some servers pass on a message as it is stored and add only ".CRLF", so that one whose last line
 * ends in a bare LF has no end. Clients that read lines take it for complete, and so does a
 * transfer when the client goes on.
 */
#include "session/transfer.h"

#include <string.h>

#include "base/clock.h"
#include "io/bypass.h"
#include "pop3/reply.h"
#include "session/client_line.h"
#include "session/stage.h"

enum {
    CLIENT_AHEAD_BYTES = 2 * COMMAND_LINE_BYTES,
    LONG_BYTES = 256 * 1024, /* after so much, the rest is likely to be as long */
    /* The most that the pipe holds. More means fewer system calls, but the pipe's memory comes on
     * top of the sockets' buffers for a client that does not read. */
    AT_ONCE_BYTES = 256 * 1024,
};

/* The speed of one direction. It must move at least min_rate octets a second, on average over a
 * window of the length of its time limit: a slow peer is not cut off. A client that takes nothing at
 * all is cut off after one time limit, wherever in a window that begins. */
struct pace {
    int64_t window_ms;
    int64_t window_end_ms;
    uint64_t octets;
    uint64_t octets_least; /* needed in a window */
    int64_t stalled_until_ms; /* CLOCK_NEVER: the peer takes what it gets */
};

static void pace_init(struct pace *pace, const struct session *session, int64_t limit_s)
{
    int64_t min_rate = session->values->min_rate;

    *pace = (struct pace){
        .window_ms = limit_s * 1000,
        .window_end_ms = clock_after_ms(limit_s * 1000),
        .octets_least = (uint64_t)(min_rate > 0 ? min_rate * limit_s : 1),
        .stalled_until_ms = CLOCK_NEVER,
    };
}

static void pace_note(struct pace *pace, size_t octets)
{
    pace->octets += octets;
    if (octets > 0)
        pace->stalled_until_ms = CLOCK_NEVER;
}

/* The peer takes nothing now. */
static void pace_stall(struct pace *pace)
{
    if (pace->stalled_until_ms == CLOCK_NEVER)
        pace->stalled_until_ms = clock_after_ms(pace->window_ms);
}

/* Ends a window and begins the next. Returns true if enough octets were moved in it, and the peer
 * has not stalled for as long. */
static bool pace_renew(struct pace *pace)
{
    bool is_alive =
        pace->octets >= pace->octets_least && clock_now_ms() < pace->stalled_until_ms;

    pace->octets = 0;
    pace->window_end_ms = clock_after_ms(pace->window_ms);
    return is_alive;
}

/* The deadline for a wait. If the window has ended while we waited for the other side, it says
 * nothing about this one, and a new window begins. */
static int64_t pace_deadline_ms(struct pace *pace)
{
    if (clock_now_ms() >= pace->window_end_ms)
        (void)pace_renew(pace);
    return clock_earlier(pace->window_end_ms, pace->stalled_until_ms);
}

/* A transfer under way: one multi-line reply. */
struct transfer {
    struct session *session;
    bool is_listing; /* see transfer_reply() */
    struct pace from_server;
    struct pace to_client;
    struct reply_end end;
    bool is_end;    /* the end was seen */
    bool has_spare; /* and octets after it */
    bool was_ahead; /* the client had sent something before it had all that has come */
    size_t
        known; /* octets that were peeked at or parsed, but not passed on yet: all of the reply */
    uint64_t octets; /* passed on */
    bool has_tried_bypass;
    struct bypass bypass;
};

/* ---- to the client ---- */

/* Reads what the client has sent while it did not have all that has come. */
static void read_ahead(struct transfer *transfer)
{
    struct stream *client = &transfer->session->client;
    size_t held = buffer_length(&client->in);

    if (held < CLIENT_AHEAD_BYTES)
        (void)stream_try_fill(client, CLIENT_AHEAD_BYTES - held);
    transfer->was_ahead = buffer_length(&client->in) > 0;
}

/* Waits until the client takes more; meanwhile reads what it sends ahead. */
static enum outcome wait_for_room(struct transfer *transfer)
{
    struct stream *client = &transfer->session->client;
    bool may_read = client->read_status == IO_OK && buffer_length(&client->in) < CLIENT_AHEAD_BYTES;
    struct pollfd fds[2] = {
        {.fd = client->write_fd, .events = client->write_wants},
        {.fd = may_read ? client->read_fd : -1, .events = client->read_wants},
    };
    enum io_status status;

    pace_stall(&transfer->to_client);
    status = wait_for(fds, 2, pace_deadline_ms(&transfer->to_client));
    if (status == IO_DEADLINE && pace_renew(&transfer->to_client))
        return OUTCOME_NONE;
    if (status != IO_OK)
        return client_outcome(status, OUTCOME_CLIENT_STALLED);
    if (fds[1].revents != 0)
        read_ahead(transfer);
    return OUTCOME_NONE;
}

static void note_passed(struct transfer *transfer, size_t octets)
{
    transfer->octets += octets;
    pace_note(&transfer->to_client, octets);
    transfer->session->reply_octets += octets;
    session_progress(transfer->session);
}

/* Passes octets on. If the client is lost within a message, the session ends: the commands that it
 * sent ahead were meant for after the message. Within a listing, they are still served. */
static enum outcome pass(struct transfer *transfer, const char *data, size_t length)
{
    struct session *session = transfer->session;
    enum outcome outcome = OUTCOME_NONE;

    while (outcome == OUTCOME_NONE && length > 0) {
        size_t moved;
        enum io_status status;

        if (session->is_client_gone)
            return transfer->is_listing ? OUTCOME_NONE : OUTCOME_CLIENT_LOST;
        status = stream_try_write(&session->client, data, length, false, &moved);
        data += moved;
        length -= moved;
        note_passed(transfer, moved);
        if (status == IO_AGAIN)
            outcome = wait_for_room(transfer);
        else if (status != IO_OK)
            session->is_client_gone = true;
    }
    return outcome;
}

/* ---- an end with a bare LF ---- */

/*
 * All that has come may be the whole reply: it ends with LF.CRLF, and the client has it. Whether
 * the client takes that for the end is seen from what it does next. Commands that it had sent
 * before tell nothing, as it may send them ahead.
 */
static bool may_be_over(const struct transfer *transfer)
{
    const struct session *session = transfer->session;

    return reply_end_is_loose(&transfer->end) && transfer->known == 0 &&
           transfer->bypass.held == 0 && !transfer->was_ahead && !session->is_client_gone &&
           session->client.read_status == IO_OK;
}

/* Call it before octets are passed on: afterwards the client may answer them. */
static size_t scan(struct transfer *transfer, const char *data, size_t length)
{
    size_t own = reply_end_scan(&transfer->end, data, length, &transfer->is_end);

    if (!transfer->is_end && reply_end_is_loose(&transfer->end))
        read_ahead(transfer);
    return own;
}

static void log_loose_end(struct session *session)
{
    char server[SESSION_SERVER_SIZE];
    struct log_line line;

    if (session->has_logged_loose_end)
        return;
    session->has_logged_loose_end = true;
    session_log_begin(&line, session, EVENT_LOOSE_END);
    log_add(&line, "server", session_server_text(session, server));
    log_end(&line);
}

/* A whole line of the client is its next command: it has taken the reply as complete. */
static void take_next_command(struct transfer *transfer)
{
    struct session *session = transfer->session;
    struct buffer *in = &session->client.in;

    (void)stream_try_fill(&session->client, CLIENT_AHEAD_BYTES);
    if (buffer_length(in) > 0 && memchr(buffer_data(in), '\n', buffer_length(in)) != NULL) {
        transfer->is_end = true;
        log_loose_end(session);
    }
    transfer->was_ahead = buffer_length(in) >= CLIENT_AHEAD_BYTES; /* no command is that long */
}

/* Waits until the server goes on (IO_OK), or the client sends something (IO_AGAIN). */
static enum io_status wait_for_either(struct transfer *transfer)
{
    struct stream *server = &transfer->session->server;
    struct stream *client = &transfer->session->client;
    struct pollfd fds[2] = {
        {.fd = server->read_fd, .events = server->read_wants},
        {.fd = client->read_fd, .events = client->read_wants},
    };
    bool has_pending = client->ops->has_pending(client);
    enum io_status status = IO_OK;

    if (!has_pending)
        status = wait_for(fds, 2, pace_deadline_ms(&transfer->from_server));
    if (status != IO_OK || fds[0].revents != 0)
        return status;
    take_next_command(transfer);
    return IO_AGAIN;
}

/* What a wait for the server means. A server that is slow, but fast enough, goes on. */
static enum outcome waited(struct transfer *transfer, enum io_status status)
{
    if (status == IO_DEADLINE && pace_renew(&transfer->from_server))
        return OUTCOME_NONE;
    return server_outcome(status, OUTCOME_SERVER_STALLED);
}

/* ---- through our buffer ---- */

static enum outcome read_on(struct transfer *transfer)
{
    struct session *session = transfer->session;
    enum io_status status = IO_AGAIN;

    /* Octets that were peeked at are there; a wait might wait for more of them. */
    if (transfer->known > 0 || may_be_over(transfer))
        status = stream_try_fill(&session->server, BUFFER_BLOCK_BYTES);
    if (status == IO_AGAIN && may_be_over(transfer))
        return waited(transfer, wait_for_either(transfer));
    if (status == IO_AGAIN)
        status = stream_fill(&session->server, BUFFER_BLOCK_BYTES,
                             pace_deadline_ms(&transfer->from_server));
    if (status == IO_OK)
        transfer->from_server.octets += buffer_length(&session->server.in);
    return waited(transfer, status);
}

/* How many of the octets read belong to the reply. */
static size_t own_octets(struct transfer *transfer, const char *data, size_t length)
{
    size_t known = transfer->known < length ? transfer->known : length;

    transfer->known -= known;
    if (transfer->is_end)
        return known;
    return known + scan(transfer, data + known, length - known);
}

static enum outcome pass_buffered(struct transfer *transfer)
{
    struct buffer *in = &transfer->session->server.in;
    enum outcome outcome = OUTCOME_NONE;

    if (buffer_length(in) == 0)
        outcome = read_on(transfer);
    if (outcome == OUTCOME_NONE && buffer_length(in) > 0) {
        size_t length = own_octets(transfer, buffer_data(in), buffer_length(in));

        outcome = pass(transfer, buffer_data(in), length);
        buffer_consume(in, length);
    }
    return outcome;
}

/* ---- inside the kernel ---- */

static enum outcome give_all(struct transfer *transfer)
{
    enum outcome outcome = OUTCOME_NONE;

    while (outcome == OUTCOME_NONE && transfer->bypass.held > 0) {
        size_t moved;
        enum io_status status = bypass_give(&transfer->bypass, &transfer->session->client, &moved);

        note_passed(transfer, moved);
        if (status == IO_AGAIN)
            outcome = wait_for_room(transfer);
        else if (status != IO_OK)
            outcome = OUTCOME_CLIENT_LOST;
    }
    return outcome;
}

/* Takes the octets that were peeked at into the pipe. If that fails, the pipe is given up and they
 * are read. */
static enum outcome take_known(struct transfer *transfer)
{
    struct session *session = transfer->session;
    enum outcome outcome = OUTCOME_NONE;

    while (outcome == OUTCOME_NONE && transfer->known > 0) {
        size_t taken = bypass_take(&transfer->bypass, &session->server, transfer->known);

        transfer->known -= taken;
        transfer->from_server.octets += taken;
        if (taken > 0)
            continue;
        if (transfer->bypass.held == 0) {
            bypass_close(&transfer->bypass);
            break;
        }
        outcome = give_all(transfer);
    }
    return outcome;
}

/* Peeks at what has come, a block at a time, and takes what belongs to the reply. */
static enum outcome peek_and_take(struct transfer *transfer)
{
    struct stream *server = &transfer->session->server;
    enum outcome outcome = OUTCOME_NONE;
    size_t room, seen;

    do {
        char *block = buffer_room(&server->in, BUFFER_BLOCK_BYTES, &room);
        enum io_status status;

        if (block == NULL)
            return OUTCOME_INTERNAL;
        status = stream_try_peek(server, block, room, &seen);
        if (status == IO_OK) {
            transfer->known = scan(transfer, block, seen);
            transfer->has_spare = transfer->known < seen;
        }
        buffer_clear(&server->in); /* we may wait long for the client, and hold no memory then */
        if (status != IO_OK) /* if octets are held, pass them on first: the status comes again */
            return transfer->bypass.held > 0 ? OUTCOME_NONE
                                             : server_outcome(status, OUTCOME_SERVER_STALLED);
        outcome = take_known(transfer);
    } while (outcome == OUTCOME_NONE && transfer->bypass.is_open && !transfer->is_end &&
             seen == room && transfer->bypass.held < AT_ONCE_BYTES);
    return outcome;
}

static enum outcome pass_spliced(struct transfer *transfer)
{
    enum io_status status = may_be_over(transfer)
                                ? wait_for_either(transfer)
                                : wait_for_one(transfer->session->server.read_fd, POLLIN,
                                               pace_deadline_ms(&transfer->from_server));
    enum outcome outcome;

    if (status != IO_OK)
        return waited(transfer, status);
    outcome = peek_and_take(transfer);
    if (outcome == OUTCOME_NONE)
        outcome = give_all(transfer);
    return outcome;
}

/* A pipe is worth its system calls only for a long message. */
static bool may_splice(struct transfer *transfer)
{
    struct session *session = transfer->session;

    if (transfer->bypass.is_open)
        return true;
    if (transfer->has_tried_bypass || transfer->is_listing || transfer->octets < LONG_BYTES ||
        buffer_length(&session->server.in) > 0)
        return false;
    transfer->has_tried_bypass = true;
    return bypass_open(&transfer->bypass, &session->server, &session->client);
}

/* ---- the whole ---- */

enum outcome transfer_reply(struct session *session, size_t status_length, bool is_listing)
{
    const struct conf_values *values = session->values;
    struct transfer transfer = {
        .session = session, .is_listing = is_listing, .known = status_length};
    enum outcome outcome = OUTCOME_NONE;

    pace_init(&transfer.from_server, session, values->server_timeout);
    pace_init(&transfer.to_client, session, values->timeout);
    reply_end_init(&transfer.end);
    client_reply_begun(session);
    while (outcome == OUTCOME_NONE && (!transfer.is_end || transfer.known > 0))
        outcome = may_splice(&transfer) ? pass_spliced(&transfer) : pass_buffered(&transfer);
    bypass_close(&transfer.bypass);
    if (outcome == OUTCOME_NONE && (transfer.has_spare || buffer_length(&session->server.in) > 0))
        outcome = OUTCOME_SERVER_UNSOLICITED;
    return outcome;
}
