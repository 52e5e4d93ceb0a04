/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAPA in both states (RFC 2449). Before login the list is ours alone. After login the server's own
 * facts are added; what we announced before stays announced, as the RFC asks.
 */
#include <string.h>

#include "base/clock.h"
#include "pop3/capability.h"
#include "pop3/reply.h"
#include "session/stages.h"

enum { LINES_MAX = 64 };

void capa_say_ours(struct session *session)
{
    char mechanisms[AUTH_MECHANISMS_SIZE];
    const struct capability_view view = {
        .may_log_in = !client_needs_tls(session),
        .may_stls = session->stage < SESSION_STAGE_RELAY && client_may_stls(session),
        .has_mechanisms = auth_mechanisms(session, ' ', mechanisms)[0] != '\0',
        .shown = session->conf->capabilities,
    };

    client_say(session, "+OK capabilities follow");
    for (int i = 0; i < CAPABILITY_COUNT; i++)
        if (capability_is_ours((enum capability)i, &view)) {
            stream_put_text(&session->client, capability_word((enum capability)i));
            client_say(session, i == CAPABILITY_SASL ? mechanisms : "");
        }
}

/* The server's next line of text, with its end, in its input buffer. */
static enum outcome read_line(struct session *session, int64_t deadline_ms, size_t *length_r)
{
    struct buffer *in = &session->server.in;

    for (;;) {
        const char *newline = NULL;
        enum io_status status;

        if (buffer_length(in) > 0)
            newline = memchr(buffer_data(in), '\n', buffer_length(in));
        if (newline != NULL) {
            *length_r = (size_t)(newline - buffer_data(in)) + 1;
            return *length_r >= 2 && *length_r <= REPLY_LINE_BYTES && newline[-1] == '\r'
                       ? OUTCOME_NONE
                       : OUTCOME_SERVER_BAD_REPLY;
        }
        if (buffer_length(in) >= REPLY_LINE_BYTES)
            return OUTCOME_SERVER_BAD_REPLY;
        status = stream_fill(&session->server, BUFFER_BLOCK_BYTES, deadline_ms);
        if (status != IO_OK)
            return server_outcome(status, OUTCOME_SERVER_TIMEOUT);
    }
}

/* Passes the server's list on, cut down to what we relay. */
static enum outcome pass_list(struct session *session, int64_t deadline_ms)
{
    struct buffer *in = &session->server.in;

    for (int lines = 0; lines < LINES_MAX; lines++) {
        size_t length = 0;
        enum outcome outcome = read_line(session, deadline_ms, &length);

        if (outcome != OUTCOME_NONE)
            return outcome;
        bool is_end = length == 3 && buffer_data(in)[0] == '.';
        if (!is_end && capability_is_relayed(buffer_data(in), length - 2))
            stream_put(&session->client, buffer_data(in), length);
        buffer_consume(in, length);
        if (is_end)
            return buffer_length(in) > 0 ? OUTCOME_SERVER_UNSOLICITED : OUTCOME_NONE;
    }
    return OUTCOME_SERVER_BAD_REPLY;
}

enum outcome capa_relay(struct session *session, const struct server_reply *reply,
                        int64_t deadline_ms)
{
    bool has_list = reply->is_ok;
    enum outcome outcome = server_reply_done(session, reply, !has_list);

    capa_say_ours(session);
    if (outcome == OUTCOME_NONE && has_list)
        outcome = pass_list(session, deadline_ms);
    if (outcome == OUTCOME_NONE)
        client_say(session, ".");
    return outcome;
}
