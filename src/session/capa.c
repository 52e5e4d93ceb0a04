/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAPA in both states (RFC 2449). Before the login the list has only our own capabilities. After
 * it, capabilities of the server are added; ours stay announced, as the RFC asks.
 */
#include "session/capa.h"

#include <stdio.h>
#include <string.h>

#include "pop3/capability.h"
#include "session/auth.h"
#include "session/client_line.h"
#include "session/server_list.h"
#include "session/starttls.h"

enum { CAPABILITY_BYTES = 64 }; /* the words of capability.def are shorter */

static void say_ours(struct session *session)
{
    char mechanisms[AUTH_MECHANISMS_SIZE];
    const struct capability_view view = {
        .may_log_in = !client_needs_tls(session),
        .may_stls = session->stage < SESSION_STAGE_RELAY && client_may_stls(session),
        .has_mechanisms = auth_mechanisms(session, ' ', mechanisms)[0] != '\0',
        .shown = session->start->conf->capabilities,
    };

    client_say(session, "+OK capabilities follow");
    for (int i = 0; i < CAPABILITY_COUNT; i++)
        if (capability_is_ours((enum capability)i, &view)) {
            char line[AUTH_MECHANISMS_SIZE + CAPABILITY_BYTES];

            snprintf(line, sizeof(line), "%s%s", capability_word((enum capability)i),
                     i == CAPABILITY_SASL ? mechanisms : "");
            client_say(session, line);
        }
}

void capa_say(struct session *session)
{
    say_ours(session);
    client_say(session, ".");
}

enum outcome capa_relay(struct session *session, const struct server_reply *reply,
                        int64_t deadline_ms)
{
    struct server_list list = {0};
    enum outcome outcome = server_reply_done(session, reply, !reply->is_ok);
    const char *line;
    size_t length;

    if (outcome == OUTCOME_NONE && reply->is_ok)
        outcome = server_list_read(session, 0, deadline_ms, &list);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (reply->is_ok && !list.is_clean)
        return OUTCOME_SERVER_BAD_REPLY;
    if (buffer_length(&session->server.in) > server_list_end(&list))
        return OUTCOME_SERVER_UNSOLICITED;
    say_ours(session);
    while ((line = server_list_next(session, &list, &length)) != NULL)
        if (capability_is_relayed(line, length))
            client_pass(session, line, length + 2);
    buffer_consume(&session->server.in, server_list_end(&list));
    client_say(session, ".");
    return OUTCOME_NONE;
}
