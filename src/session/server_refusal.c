/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the server's refusal to the client's reply (RFC 2449, section 8; RFC 3206).
 */
#include "session/server_refusal.h"

#include <stdio.h>
#include <string.h>

#include "pop3/refusal.h"
#include "pop3/reply.h"
#include "session/client_line.h"

static const char indicator[] = "-ERR";

static void copy_code(char code[SESSION_CODE_SIZE], const char *line, size_t length)
{
    const char *start = line + strlen("-ERR [");
    const char *end = memchr(line, ']', length);

    snprintf(code, SESSION_CODE_SIZE, "%.*s", (int)(end - start), start);
}

/* Copies what follows the indicator; "" for nothing. */
static const char *copy_text(const struct server_reply *reply, char text[REPLY_LINE_BYTES])
{
    size_t at = sizeof(indicator) - 1;
    size_t length = reply->length - 2;

    while (at < length && reply->line[at] == ' ')
        at++;
    memcpy(text, reply->line + at, length - at);
    text[length - at] = '\0';
    return text;
}

/* What the text means, as far as it may be passed on. */
static enum refusal judge(const struct session *session, const char *text)
{
    const struct credentials *credentials = &session->credentials;

    if (!session->is_password_tried || session->values->server_words == CONF_SERVER_WORDS_NONE ||
        secret_is_in(&session->secrets, text))
        return REFUSAL_CREDENTIALS;
    return refusal_judge(text, credentials->user, credentials->password);
}

/* Words that the table does not know reach the client only if the operator wants all of them. */
static bool may_pass(const struct session *session, enum refusal refusal, const char *text)
{
    return text[0] != '\0' && session->is_password_tried &&
           !secret_is_in(&session->secrets, text) &&
           (refusal != REFUSAL_CREDENTIALS ||
            session->values->server_words == CONF_SERVER_WORDS_ALL);
}

static enum outcome say_without_code(struct session *session, const struct server_reply *reply)
{
    char text[REPLY_LINE_BYTES];
    char line[REPLY_LINE_BYTES];
    enum refusal refusal = judge(session, copy_text(reply, text));

    session->refusal = refusal;
    if (may_pass(session, refusal, text)) {
        refusal_write(line, refusal_code(refusal), text);
        client_say(session, line);
    } else {
        client_say(session, "-ERR [AUTH] bad login");
    }
    return refusal == REFUSAL_IN_USE || refusal == REFUSAL_TEMPORARY ? OUTCOME_LOGIN_UNAVAILABLE
                                                                     : OUTCOME_LOGIN_REFUSED;
}

enum outcome server_refusal_say(struct session *session, const struct server_reply *reply)
{
    session->has_last_words = true;
    if (!reply_has_code(reply->line, reply->length))
        return say_without_code(session, reply);
    client_pass(session, reply->line, reply->length);
    return reply_is_unavailable(reply->line, reply->length) ? OUTCOME_LOGIN_UNAVAILABLE
                                                            : OUTCOME_LOGIN_REFUSED;
}

bool server_refusal_is_in_use(const struct session *session, const struct server_reply *reply)
{
    char text[REPLY_LINE_BYTES];

    if (reply_has_code(reply->line, reply->length))
        return reply_is_in_use(reply->line, reply->length);
    return judge(session, copy_text(reply, text)) == REFUSAL_IN_USE;
}

/* The line of a refused login is still in the server's input, also if the log may not have it. */
static void refused_code(const struct session *session, char code[SESSION_CODE_SIZE])
{
    const struct buffer *in = &session->server.in;
    const char *ours = refusal_code(session->refusal);
    const char *end;
    size_t length;

    if (buffer_length(in) == 0)
        return;
    end = memchr(buffer_data(in), '\n', buffer_length(in));
    length = end == NULL ? 0 : (size_t)(end - buffer_data(in));
    if (!reply_has_code(buffer_data(in), length))
        snprintf(code, SESSION_CODE_SIZE, "%s", ours == NULL ? "" : ours);
    else
        copy_code(code, buffer_data(in), length);
    if (secret_is_in(&session->secrets, code))
        code[0] = '\0';
}

const char *server_refusal_code(const struct session *session, const char *words,
                                char code[SESSION_CODE_SIZE])
{
    code[0] = '\0';
    if (session->has_last_words && session->stage == SESSION_STAGE_SERVER_LOGIN)
        refused_code(session, code);
    else if (reply_has_code(words, strlen(words)))
        copy_code(code, words, strlen(words));
    return code;
}
