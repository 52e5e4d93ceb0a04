/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage before the first word: the pool decides whether this client gets a session. It is asked
 * again when the server has let the user in.
 */
#include "session/stages.h"

enum outcome admission_run(struct session *session)
{
    const struct session_watch *watch = session->start->watch;

    if (watch == NULL || watch->admit == NULL)
        return OUTCOME_NONE;
    return watch->admit(watch->context, session);
}

enum outcome admission_log_in(struct session *session)
{
    const struct session_watch *watch = session->start->watch;

    if (watch == NULL || watch->log_in == NULL)
        return OUTCOME_NONE;
    return watch->log_in(watch->context, session);
}
