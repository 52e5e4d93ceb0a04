/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that reaches the server: it connects and logs in. The server of a group that cannot be
 * reached is left for the next one, within the limits of the login.
 */
#include "session/reach.h"

#include "session/group.h"
#include "session/server_capa.h"
#include "session/stages.h"
#include "session/starttls.h"

void reach_leave(struct session *session, enum outcome outcome)
{
    if (outcome_distrusts_server(outcome))
        server_capa_forget(session);
    starttls_log_failure(session, &session->server);
    stream_close(&session->server);
    group_let_go(session);
}

/* As for the first server. */
static void forget_server(struct session *session)
{
    session->server_address = (struct address){0};
    session->server_tls = (struct tls_facts){0};
    session->server_facts = (struct server_facts){0};
}

static enum outcome try_server(struct session *session)
{
    enum outcome outcome;

    group_begin_try(session);
    outcome = connect_run(session);
    if (outcome == OUTCOME_NONE)
        outcome = server_login_run(session);
    group_note_answer(session, outcome);
    return outcome;
}

enum outcome reach_run(struct session *session)
{
    for (;;) {
        enum outcome outcome = try_server(session);
        size_t next;

        if (outcome == OUTCOME_NONE || !group_find_next(session, outcome, &next))
            return outcome;
        reach_leave(session, outcome);
        forget_server(session);
        group_take(session, next);
    }
}
