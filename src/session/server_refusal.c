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
    const char *code = refusal_code(refusal);

    snprintf(session->refusal_code, SESSION_CODE_SIZE, "%s", code == NULL ? "" : code);
    if (may_pass(session, refusal, text)) {
        refusal_write(line, code, text);
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
    copy_code(session->refusal_code, reply->line, reply->length);
    if (secret_is_in(&session->secrets, session->refusal_code))
        session->refusal_code[0] = '\0';
    client_pass(session, reply->line, reply->length);
    return reply_is_unavailable(reply->line, reply->length) ? OUTCOME_LOGIN_UNAVAILABLE
                                                            : OUTCOME_LOGIN_REFUSED;
}

const char *server_refusal_code(const struct session *session, const char *words,
                                char code[SESSION_CODE_SIZE])
{
    size_t length = strlen(words);

    snprintf(code, SESSION_CODE_SIZE, "%s", session->refusal_code);
    if (code[0] == '\0' && reply_has_code(words, length))
        copy_code(code, words, length);
    return code;
}
