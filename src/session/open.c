/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that opens the conversation: TLS, where the connection begins with it, and the greeting.
 */
#include "session/client_line.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/starttls.h"

enum outcome open_run(struct session *session)
{
    enum outcome outcome = client_tls_implicit(session);

    if (outcome != OUTCOME_NONE)
        return outcome;
    session_enter(session, SESSION_STAGE_LOGIN);
    client_say(session, "+OK POP3 ready");
    return OUTCOME_NONE;
}
