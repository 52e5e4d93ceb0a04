/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TRANSACTION state: one command goes to the server, its whole reply to the client, then the
 * next.
 */
#include "base/clock.h"
#include "base/number.h"
#include "session/capa.h"
#include "session/client_line.h"
#include "session/server_line.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/transfer.h"
#include "session/trace.h"

static enum outcome pass_status(struct session *session, const struct server_reply *reply)
{
    client_pass(session, reply->line, reply->length);
    session->reply_octets += reply->length;
    return server_reply_done(session, reply, true);
}

/* Until when the client must send a command, or take the output that waits for it. */
static int64_t client_deadline_ms(const struct session *session)
{
    return clock_after_ms(session->values->timeout * 1000);
}

/* ---- one command ---- */

/* Counted when the server has confirmed, even if the client is lost before it reads that. */
static void count_deletion(struct session *session, enum command_verb verb)
{
    if (verb == COMMAND_DELE)
        session->deleted++;
    else if (verb == COMMAND_RSET)
        session->deleted = 0;
}

static void put_argument(struct stream *server, const char *text, size_t length)
{
    if (text == NULL)
        return;
    stream_put(server, " ", 1);
    stream_put(server, text, length);
}

/* Sends the keyword in upper case and the arguments as they came, each after one blank;
 * command_parse() has checked them. */
static enum outcome send_command(struct session *session, const struct command *command,
                                 int64_t deadline_ms)
{
    struct stream *server = &session->server;
    enum io_status status;

    stream_put_text(server, command_keyword(command->verb));
    put_argument(server, command->argument, command->argument_length);
    put_argument(server, command->second, command->second_length);
    stream_put(server, "\r\n", 2);
    trace_server_command(session, command);
    client_line_done(session);
    status = stream_flush(server, false, deadline_ms);
    return status == IO_OK ? OUTCOME_NONE : server_outcome(status, OUTCOME_SERVER_TIMEOUT);
}

static enum outcome pass_reply(struct session *session, const struct command *command,
                               const struct server_reply *reply, int64_t deadline_ms)
{
    bool is_body = reply->is_ok && command->is_multi_line;
    bool is_listing = command->verb == COMMAND_LIST || command->verb == COMMAND_UIDL;
    uint64_t before = session->reply_octets;
    enum outcome outcome;

    if (command->verb == COMMAND_CAPA)
        return capa_relay(session, reply, deadline_ms);
    if (reply->is_ok)
        count_deletion(session, command->verb);
    outcome = client_flush(session, client_deadline_ms(session));
    if (outcome == OUTCOME_NONE)
        outcome = is_body ? transfer_reply(session, reply->length, is_listing)
                          : pass_status(session, reply);
    if (is_body)
        trace_note(session, "%llu octet%s to the client",
                   (unsigned long long)(session->reply_octets - before),
                   number_plural(session->reply_octets - before));
    if (command->verb == COMMAND_RETR && reply->is_ok &&
        (outcome == OUTCOME_NONE || outcome == OUTCOME_SERVER_UNSOLICITED))
        session->retrieved++;
    return outcome;
}

/* How long the reply may take. After QUIT the server carries out the deletions, and if we do not
 * wait for it, it may undo them. */
static int64_t reply_limit_ms(const struct session *session, enum command_verb verb)
{
    const struct conf_values *values = session->values;
    bool is_commit = verb == COMMAND_QUIT && session->deleted > 0;
    int64_t limit_s = values->server_timeout;

    if (is_commit && values->timeout > limit_s)
        limit_s = values->timeout;
    return limit_s * 1000;
}

/* Only the server's +OK says that it has carried out the deletions. */
static enum outcome finish(struct session *session, const struct server_reply *reply)
{
    session->is_quit_sent = false;
    session->is_committed = session->deleted > 0 && reply->is_ok;
    (void)pass_status(session, reply);
    return OUTCOME_QUIT;
}

/* Not a part of relay_run(), whose frame is in the memory of every idle session. */
static enum outcome __attribute__((noinline)) serve_command(struct session *session,
                                                            const struct command *command)
{
    int64_t deadline_ms = clock_after_ms(reply_limit_ms(session, command->verb));
    struct command sent = *command; /* its arguments point into the line, which sending drops */
    struct server_reply reply;
    enum outcome outcome;

    session->is_quit_sent = command->verb == COMMAND_QUIT;
    outcome = send_command(session, command, deadline_ms);
    sent.argument = sent.second = NULL;
    if (outcome == OUTCOME_NONE)
        outcome = server_reply_read(session, 0, deadline_ms, &reply);
    if (outcome != OUTCOME_NONE)
        return outcome;
    return command->verb == COMMAND_QUIT ? finish(session, &reply)
                                         : pass_reply(session, &sent, &reply, deadline_ms);
}

enum outcome relay_run(struct session *session)
{
    session_enter(session, SESSION_STAGE_RELAY);
    for (;;) {
        struct command command;
        enum command_fault fault;
        enum outcome outcome = client_line_read(session, COMMAND_STATE_TRANS,
                                                client_deadline_ms(session), &command, &fault);

        if (outcome == OUTCOME_NONE)
            outcome = fault == COMMAND_GOOD ? serve_command(session, &command)
                                            : client_refuse_command(session, &command, fault);
        if (outcome != OUTCOME_NONE)
            return outcome;
    }
}
