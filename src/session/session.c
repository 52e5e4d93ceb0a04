/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session from top to bottom: the stages in their order, then the last reply to the client, the
 * close, and the log line.
 */
#include "session/session.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/process.h"
#include "session/client_line.h"
#include "session/flood.h"
#include "session/reach.h"
#include "session/server_line.h"
#include "session/server_refusal.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/starttls.h"
#include "session/trace.h"

enum {
    LAST_REPLY_MS = 1000, /* the client may have stopped reading */
    LAST_REPLY_KICKED_MS = 50,
    LAST_READS_MAX = 16,  /* of what the client sent after its last command */
};

typedef enum outcome stage_function(struct session *session);

enum { LOGIN_STAGE = 3 }; /* among these */
static stage_function *const stages[] = {
    identity_run, admission_run, open_run,    login_run,        attempt_run,
    select_run,   hold_run,      route_run,   group_run,        access_run,
    reach_run,    relay_run,
};

/* ---- the log line of a session ---- */

static const char *commit_word(const struct session *session)
{
    if (session->is_committed)
        return "ok";
    if (session->deleted == 0)
        return "none";
    return session->is_quit_sent ? "unknown" : "lost";
}

/* What the server has said last, if the log is to show it; or why it was not reached. */
struct last_words {
    char text[SERVER_WORDS_SIZE];
    char code[SESSION_CODE_SIZE];
};

/* Call it before the server's stream is closed: it holds the words. */
static void keep_words(const struct session *session, enum outcome outcome,
                       struct last_words *words)
{
    server_refusal_code(session, server_words(session, outcome, words->text), words->code);
    if (words->text[0] == '\0' && session->failure != NULL)
        snprintf(words->text, sizeof(words->text), "%s", session->failure);
}

static void log_session(const struct session *session, enum outcome outcome,
                        const struct last_words *words)
{
    char client[ADDRESS_TEXT_SIZE];
    char server[SESSION_SERVER_SIZE];
    char tls[STARTTLS_TEXT_SIZE];
    char address[ADDRESS_TEXT_SIZE];
    struct log_line line;

    session_log_begin(&line, session, EVENT_SESSION);
    line.level = outcome_level(outcome);
    log_add(&line, "instance", session->start->conf->section.name);
    log_add(&line, "client", address_host_text(&session->client_address, client));
    log_add_number(&line, "port", address_port(&session->client_address));
    if (session->proxy_address.sa.sa_family != AF_UNSPEC)
        log_add(&line, "via", address_host_text(&session->proxy_address, address));
    log_add(&line, "user", session->user);
    log_add(&line, "server", session_server_text(session, server));
    log_add(&line, "server_address", address_text(&session->server_address, address));
    log_add(&line, "route", session->route.name);
    if (session->route.group != NULL) {
        log_add(&line, "group", session->route.group->name);
        log_add_number(&line, "attempt", session->route.attempt);
    }
    log_add_number(&line, "octets", (int64_t)session->reply_octets);
    log_add_number(&line, "retrieved", (int64_t)session->retrieved);
    log_add_number(&line, "deleted", (int64_t)session->deleted);
    log_add(&line, "commit", commit_word(session));
    log_add_duration(&line, "duration", clock_now_ms() - session->started_ms);
    log_add(&line, "tls", starttls_text(&session->client_tls, tls));
    log_add(&line, "sni", session->client_names.server_name);
    if (session->client_names.certificate[0] != '\0')
        log_add(&line, "certificate", session->client_names.certificate);
    log_add(&line, "server_tls", starttls_text(&session->server_tls, tls));
    log_add(&line, "stage", session_stage_word(session->stage));
    log_add(&line, "reason", outcome_reason(outcome));
    if (words->code[0] != '\0')
        log_add(&line, "code", words->code);
    if (words->text[0] != '\0')
        session_log_words(&line, session, words->text);
    log_end(&line);
}

/* ---- begin, run, end ---- */

/* An id that is unique over restarts and processes: second, process, and a count in the process. */
static void make_id(char id[SESSION_ID_SIZE])
{
    static _Atomic unsigned count PROCESS_OWN;

    id += number_put_hex(id, (uint32_t)clock_wall_s());
    *id++ = '-';
    id += number_put_hex(id, (unsigned)process_id());
    *id++ = '-';
    id += number_put_hex(id, atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
    *id = '\0';
}

static void begin(struct session *session, const struct session_start *start, int read_fd,
                  int write_fd)
{
    *session = (struct session){
        .start = start,
        .values = start->conf->values,
        .started_ms = clock_now_ms(),
    };
    session->login_deadline_ms = session_login_end_ms(session, true);
    make_id(session->id);
    secret_begin(&session->secrets, session->id);
    if (start->client_address != NULL)
        session->client_address = *start->client_address;
    else
        (void)address_of_other_end(read_fd, &session->client_address);
    address_unmap(&session->client_address);
    if (read_fd == write_fd)
        stream_open_socket(&session->client, read_fd);
    else
        stream_open_fds(&session->client, read_fd, write_fd);
    session->client.in.is_secret = true;
}

/* Finds the outcome behind the one that was seen. A limit of one stage may have been shortened by
 * the limit of the whole login; a stop may have been meant for this session alone. */
static enum outcome true_outcome(const struct session *session, enum outcome outcome)
{
    const struct session_watch *watch = session->start->watch;

    if (outcome == OUTCOME_STOPPED && watch != NULL && watch->why_stopped != NULL)
        return watch->why_stopped(watch->context);
    if (outcome_is_limit(outcome) && session->stage < SESSION_STAGE_RELAY &&
        clock_now_ms() >= session->login_deadline_ms)
        return OUTCOME_LOGIN_TIMEOUT;
    return outcome;
}

/*
 * Sends the rest of the output. When a socket is closed with unread input, the kernel resets the
 * connection, and the reset discards output that the client has not read yet. So first the input is
 * read, whatever it is. After a QUIT nothing more comes, so the last segment may wait for the FIN
 * and travel with it.
 */
static void flush_last_reply(struct session *session, bool is_after_quit, int64_t limit_ms)
{
    struct stream *client = &session->client;
    bool has_more = is_after_quit;

    for (int i = 0; i < LAST_READS_MAX; i++) {
        buffer_clear(&client->in);
        if (stream_try_fill(client, BUFFER_BLOCK_BYTES) != IO_OK)
            break;
        has_more = false;
    }
    (void)stream_flush(client, has_more, clock_after_ms(limit_ms));
}

/* Tells a client that still waits for a reply how the session ended: with the words of a server
 * that has said why it closes. Before the relay it always waits; later it waits if it has sent a
 * command and has seen nothing of the reply. */
static void say_last_reply(struct session *session, enum outcome outcome,
                           const struct last_words *words)
{
    bool has_goodbye = outcome == OUTCOME_SERVER_CLOSED && words->text[0] != '\0';
    const char *reply = has_goodbye ? words->text : outcome_reply(outcome);
    bool may_speak = session->stage < SESSION_STAGE_RELAY || session->is_reply_owed;

    /* A client that begins with TLS cannot read a reply in the clear. */
    if (session->stage == SESSION_STAGE_OPEN && session->values->tls == CONF_TLS_IMPLICIT)
        may_speak = false;
    /* The client has got the refusal of the acp. */
    if (session->stage == SESSION_STAGE_ACCESS && !session->is_reply_owed)
        may_speak = false;
    if (session->is_client_gone)
        return;
    if (reply != NULL && may_speak)
        client_say(session, reply);
    wait_clear_stop();
    flush_last_reply(session, outcome_is_after_quit(outcome),
                     outcome == OUTCOME_KICKED ? LAST_REPLY_KICKED_MS : LAST_REPLY_MS);
}

static void trace_end(struct session *session, enum outcome outcome)
{
    const char *failure = session->failure;

    trace_note(session, "the session ends: %s%s%s", outcome_reason(outcome),
               failure == NULL ? "" : ": ", failure == NULL ? "" : failure);
}

static void end(struct session *session, enum outcome outcome)
{
    struct last_words words;

    keep_words(session, outcome, &words);
    reach_leave(session, outcome);
    trace_end(session, outcome);
    say_last_reply(session, outcome, &words);
    starttls_log_failure(session, &session->client);
    stream_close(&session->client);
    credentials_wipe(&session->credentials);
    if (flood_is_line_due(session, outcome))
        log_session(session, outcome, &words);
}

/* ---- another login ---- */

/* Mail programs try a token first, and then a password in the same session. */
static bool may_log_in_again(const struct session *session, enum outcome outcome)
{
    return outcome == OUTCOME_LOGIN_REFUSED && session->credentials.is_client_token;
}

/* Forgets the login and its server, but for the names that the log may tell: user, server, route. */
static void forget_login(struct session *session)
{
    struct session_route route = {0};

    memcpy(route.name, session->route.name, sizeof(route.name));
    session->route = route; /* its texts go with the credentials */
    credentials_wipe(&session->credentials);
    secret_begin(&session->secrets, session->id); /* the next connection has not heard them */
    session->server_address = (struct address){0};
    session->server_tls = (struct tls_facts){0};
    session->try_deadline_ms = 0;
    session->failure = NULL;
    session->is_login_sent = session->is_password_tried = session->has_last_words = false;
    session->refusal = REFUSAL_CREDENTIALS;
}

/* The client has got the refusal, and may send another command. Not a part of run(), whose frame is
 * in the memory of every idle session. */
static enum outcome __attribute__((noinline)) begin_again(struct session *session)
{
    const struct session_watch *watch = session->start->watch;
    bool is_tried = session->is_login_sent;
    struct last_words words;

    keep_words(session, OUTCOME_LOGIN_REFUSED, &words);
    if (watch != NULL && watch->login_refused != NULL)
        watch->login_refused(watch->context, is_tried);
    reach_leave(session, OUTCOME_LOGIN_REFUSED);
    forget_login(session);
    session_enter(session, SESSION_STAGE_LOGIN);
    return client_count_refusal(
        session, command_keyword(COMMAND_AUTH),
        command_fault_word(is_tried ? COMMAND_TOKEN_REFUSED : COMMAND_BAD_MECHANISM), words.text);
}

/* Runs the stages, and those from the login on again while the client may try another one. */
static enum outcome run(struct session *session)
{
    enum outcome outcome = OUTCOME_NONE;
    size_t i = 0;

    while (outcome == OUTCOME_NONE && i < sizeof(stages) / sizeof(stages[0])) {
        outcome = stages[i++](session);
        if (!may_log_in_again(session, outcome))
            continue;
        outcome = begin_again(session);
        i = LOGIN_STAGE;
    }
    return outcome;
}

enum outcome session_run(struct session *session, const struct session_start *start, int read_fd,
                         int write_fd)
{
    enum outcome outcome;

    begin(session, start, read_fd, write_fd);
    outcome = true_outcome(session, run(session));
    end(session, outcome);
    return outcome;
}
