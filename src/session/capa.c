/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAPA in both states (RFC 2449). Before the login the list has only our own capabilities. After
 * it, capabilities of the server are added; ours stay announced, as the RFC asks.
 */
#include "session/capa.h"

#include <string.h>

#include "pop3/capability.h"
#include "pop3/reply.h"
#include "session/auth.h"
#include "session/client_line.h"
#include "session/starttls.h"

enum {
    LINES_MAX = 64,
    END_BYTES = 3, /* the line that ends a list: "." CRLF */
};
_Static_assert(LINES_MAX *REPLY_LINE_BYTES < BUFFER_BLOCK_BYTES, "a buffer holds a whole list");

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
            stream_put_text(&session->client, capability_word((enum capability)i));
            client_say(session, i == CAPABILITY_SASL ? mechanisms : "");
        }
}

void capa_say(struct session *session)
{
    say_ours(session);
    client_say(session, ".");
}

/* Waits for the line that begins at offset `at` of the server's input. *length_r includes its end.
 */
static enum outcome read_line(struct session *session, size_t at, int64_t deadline_ms,
                              size_t *length_r)
{
    struct buffer *in = &session->server.in;

    for (;;) {
        size_t held = buffer_length(in) - at;
        const char *line = held > 0 ? buffer_data(in) + at : NULL;
        const char *newline = held > 0 ? memchr(line, '\n', held) : NULL;
        enum io_status status;

        if (newline != NULL) {
            *length_r = (size_t)(newline - line) + 1;
            return *length_r >= 2 && *length_r <= REPLY_LINE_BYTES && newline[-1] == '\r'
                       ? OUTCOME_NONE
                       : OUTCOME_SERVER_BAD_REPLY;
        }
        if (held >= REPLY_LINE_BYTES)
            return OUTCOME_SERVER_BAD_REPLY;
        status = stream_fill(&session->server, BUFFER_BLOCK_BYTES, deadline_ms);
        if (status != IO_OK)
            return server_outcome(status, OUTCOME_SERVER_TIMEOUT);
    }
}

/* Reads the server's list to its end before anything is passed on, so that the client never gets
 * half of a broken list. It stays in the server's input. *length_r is without the line that ends
 * it. */
static enum outcome read_list(struct session *session, int64_t deadline_ms, size_t *length_r)
{
    const struct buffer *in = &session->server.in;
    size_t at = 0;

    for (int lines = 0; lines < LINES_MAX; lines++) {
        size_t length = 0;
        enum outcome outcome = read_line(session, at, deadline_ms, &length);

        if (outcome != OUTCOME_NONE)
            return outcome;
        *length_r = at;
        at += length;
        if (length == END_BYTES && buffer_data(in)[*length_r] == '.')
            return buffer_length(in) > at ? OUTCOME_SERVER_UNSOLICITED : OUTCOME_NONE;
    }
    return OUTCOME_SERVER_BAD_REPLY;
}

/* Passes on the lines that we relay, of a list that has been read. */
static void pass_list(struct session *session, size_t list_length)
{
    struct buffer *in = &session->server.in;

    for (size_t passed = 0; passed < list_length;) {
        const char *line = buffer_data(in);
        size_t length = (size_t)((const char *)memchr(line, '\n', list_length - passed) - line) + 1;

        if (capability_is_relayed(line, length - 2))
            stream_put(&session->client, line, length);
        buffer_consume(in, length);
        passed += length;
    }
    buffer_consume(in, END_BYTES);
}

enum outcome capa_relay(struct session *session, const struct server_reply *reply,
                        int64_t deadline_ms)
{
    bool has_list = reply->is_ok;
    size_t list_length = 0;
    enum outcome outcome = server_reply_done(session, reply, !has_list);

    if (outcome == OUTCOME_NONE && has_list)
        outcome = read_list(session, deadline_ms, &list_length);
    if (outcome != OUTCOME_NONE)
        return outcome;
    say_ours(session);
    if (has_list)
        pass_list(session, list_length);
    client_say(session, ".");
    return OUTCOME_NONE;
}
