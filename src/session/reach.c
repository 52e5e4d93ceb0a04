/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that reaches the server: it connects and logs in. The server of a group that cannot be
 * reached is left for the next one, within the limits of the login.
 */
#include "session/reach.h"

#include "base/clock.h"
#include "io/wait.h"
#include "session/group.h"
#include "session/server_capa.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/starttls.h"

enum { FIRST_PAUSE_MS = 1000 }; /* each further one is twice as long */

void reach_leave(struct session *session, enum outcome outcome)
{
    if (outcome_distrusts_server(outcome))
        server_capa_forget(session);
    starttls_log_failure(session, &session->server);
    stream_close(&session->server);
    group_let_go(session);
}

/* As for the first server. A login that was sent counts on: no other server may get it. */
static void forget_server(struct session *session)
{
    session->is_password_tried = session->has_last_words = false;
    session->server_address = (struct address){0};
    session->failure = NULL;
    session->server_tls = (struct tls_facts){0};
    session->server_facts = (struct server_facts){0};
}

static enum outcome try_server(struct session *session)
{
    enum outcome outcome = group_begin_try(session);

    if (outcome != OUTCOME_NONE)
        return outcome;
    outcome = connect_run(session);
    if (outcome == OUTCOME_NONE)
        outcome = server_login_run(session);
    group_note_answer(session, outcome);
    return outcome;
}

/* ---- a mailbox that is in use ---- */

static void log_in_use(const struct session *session)
{
    char server[SESSION_SERVER_SIZE];
    struct log_line line;

    session_log_begin(&line, session, EVENT_MAILBOX_IN_USE);
    log_add(&line, "user", session->user);
    log_add(&line, "server", session_server_text(session, server));
    log_end(&line);
}

/* The session of the user's other program, or the lock that a lost connection has left, may be gone
 * soon. */
static enum outcome wait_for_mailbox(struct session *session)
{
    int32_t pause_ms = session->in_use_pause_ms;

    log_in_use(session);
    session_enter(session, SESSION_STAGE_WAIT);
    session->is_in_use = false;
    session->in_use_left_ms -= pause_ms;
    session->in_use_pause_ms *= 2;
    if (session->in_use_pause_ms > session->in_use_left_ms)
        session->in_use_pause_ms = session->in_use_left_ms;
    return wait_for(NULL, 0, clock_after_ms(pause_ms)) == IO_STOPPED ? OUTCOME_STOPPED
                                                                     : OUTCOME_NONE;
}

static void begin(struct session *session)
{
    session->in_use_left_ms = group_in_use_wait_ms(session);
    session->in_use_pause_ms =
        session->in_use_left_ms < FIRST_PAUSE_MS ? session->in_use_left_ms : FIRST_PAUSE_MS;
}

/* ---- the stage ---- */

enum outcome reach_run(struct session *session)
{
    begin(session);
    for (;;) {
        enum outcome outcome = try_server(session);
        size_t next = session->route.group_server;

        if (!session->is_in_use &&
            (outcome == OUTCOME_NONE || !group_find_next(session, outcome, &next)))
            return outcome;
        reach_leave(session, outcome);
        forget_server(session);
        if (session->is_in_use)
            outcome = wait_for_mailbox(session);
        else
            group_take(session, next);
        if (outcome == OUTCOME_STOPPED)
            return outcome;
    }
}
