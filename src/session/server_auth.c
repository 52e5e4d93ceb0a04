/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AUTH at the server (RFC 5034): with the client's token, from whose user name the server part is
 * removed, or with its password as PLAIN. All goes in one line if that has at most 255 octets,
 * which every server must accept (RFC 2449, section 4). Else the mechanism goes first, and the data
 * when the server asks for it.
 */
#include "session/server_auth.h"

#include <string.h>

#include "session/client_line.h"

enum { COMMAND_BYTES_SAFE = 255 };

/* The initial response in base64, in the memory of the credentials. NULL if there is no room. */
static const char *encode(struct session *session, enum sasl_mechanism mechanism)
{
    struct credentials *credentials = &session->credentials;
    const char *user = credentials->user;
    const char *master = session->route.master;
    char *text = credentials_room(credentials, SASL_BASE64_BUFFER_SIZE);
    enum sasl_result result = SASL_TOO_LONG;
    size_t length;

    if (text == NULL)
        return NULL;
    if (mechanism == SASL_MECHANISM_PLAIN)
        result = sasl_plain_encode(master == NULL ? "" : user, master == NULL ? user : master,
                                   credentials->password, text, SASL_BASE64_BUFFER_SIZE, &length);
    else if (mechanism == SASL_MECHANISM_EXTERNAL)
        result = sasl_base64_encode(user, strlen(user), text, SASL_BASE64_BUFFER_SIZE, &length);
    else
        result = sasl_token_encode(mechanism, credentials->message, credentials->message_length,
                                   user, text, SASL_BASE64_BUFFER_SIZE, &length);
    return result == SASL_OK ? text : NULL;
}

/* A challenge without text asks for the data. A challenge with text says why a token is refused;
 * the server's last word comes after our answer to it. */
static enum outcome answer_challenge(struct session *session, enum sasl_mechanism mechanism,
                                     const char *text, struct server_reply *reply)
{
    bool is_prompt = reply->length <= 4; /* "+ " CRLF */
    const char *answer = mechanism == SASL_MECHANISM_OAUTHBEARER ? SASL_OAUTHBEARER_DUMMY : "";
    enum outcome outcome = server_reply_done(session, reply, true);

    if (outcome == OUTCOME_NONE && is_prompt)
        outcome = server_settle(session);
    if (outcome == OUTCOME_NONE)
        outcome = server_exchange(session, (const char *const[]){is_prompt ? text : answer, NULL},
                                  server_answer_read, reply);
    if (outcome == OUTCOME_NONE && !is_prompt && reply->is_ok)
        return OUTCOME_SERVER_BAD_REPLY; /* it has refused the token, so it cannot accept it */
    return outcome;
}

enum outcome server_auth(struct session *session, struct server_reply *reply)
{
    struct credentials *credentials = &session->credentials;
    enum sasl_mechanism mechanism =
        credentials_have_password(credentials) ? SASL_MECHANISM_PLAIN : credentials->mechanism;
    const char *name = sasl_mechanism_info(mechanism)->name;
    const char *text = encode(session, mechanism);
    bool has_sent =
        text != NULL && strlen("AUTH  \r\n") + strlen(name) + strlen(text) <= COMMAND_BYTES_SAFE;
    enum outcome outcome;

    if (text == NULL) {
        client_say(session, "-ERR [AUTH] user name and password are too long");
        return OUTCOME_LOGIN_REFUSED;
    }
    secret_note(&session->secrets, text, strlen(text));
    session->is_password_tried = true;
    outcome = has_sent ? server_settle(session) : OUTCOME_NONE;
    if (outcome == OUTCOME_NONE)
        outcome = server_exchange(session,
                                  (const char *const[]){"AUTH", name, has_sent ? text : NULL, NULL},
                                  server_answer_read, reply);
    if (outcome == OUTCOME_NONE && !has_sent && reply->is_ok)
        return OUTCOME_SERVER_BAD_REPLY; /* it has not seen the credentials yet */
    /* At most two challenges: the prompt, and the reason for a refusal. */
    for (int i = 0; i < 2 && outcome == OUTCOME_NONE && reply->is_challenge; i++)
        outcome = answer_challenge(session, mechanism, text, reply);
    if (outcome == OUTCOME_NONE && reply->is_challenge)
        return OUTCOME_SERVER_BAD_REPLY;
    return outcome;
}
