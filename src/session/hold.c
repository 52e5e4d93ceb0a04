/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage in which a login waits while the operator holds the user, because the mailbox is being
 * moved. It comes before the routing tables are asked: what they say may change meanwhile.
 */
#include "session/hold.h"

#include "base/clock.h"
#include "io/wait.h"
#include "session/stage.h"
#include "session/stages.h"

bool hold_is_on(const struct session *session)
{
    const struct session_watch *watch = session->start->watch;

    return watch != NULL && watch->is_held != NULL && watch->is_held(watch->context, session);
}

enum outcome hold_run(struct session *session)
{
    enum { PAUSE_MS = 20 };

    if (!hold_is_on(session))
        return OUTCOME_NONE;
    session_enter(session, SESSION_STAGE_HOLD);
    while (hold_is_on(session)) {
        int64_t until_ms = clock_earlier(session->login_deadline_ms, clock_after_ms(PAUSE_MS));

        if (clock_now_ms() >= session->login_deadline_ms)
            return OUTCOME_HELD;
        if (wait_for(NULL, 0, until_ms) == IO_STOPPED)
            return OUTCOME_STOPPED;
    }
    return OUTCOME_NONE;
}
