/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage between credentials and their use: the pool decides whether this address, which may
 * have failed often, may try another login.
 */
#include "base/hash.h"
#include "session/stages.h"

enum outcome attempt_run(struct session *session)
{
    const struct session_watch *watch = session->start->watch;
    enum outcome outcome;

    session->typed_name = hash_text_nocase(session->credentials.user);
    if (watch == NULL || watch->may_log_in == NULL)
        return OUTCOME_NONE;
    outcome = watch->may_log_in(watch->context, session);
    if (outcome != OUTCOME_NONE)
        (void)select_user(session);
    return outcome;
}
