/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AUTH at the server (RFC 5034): with the client's token, from whose user name the server part is
 * removed, or with its password as PLAIN. A token may have come with one mechanism and go on with
 * the other: both carry the same. All goes in one line if that has at most 255 octets,
 * which every server must accept (RFC 2449, section 4). Else the mechanism goes first, and the data
 * when the server asks for it.
 *
 * A server that is known to take all in one line, and announces PIPELINING, gets the CAPA that
 * confirms the login in the same segment. A token goes alone, as a challenge may follow it.
 */
#include "session/server_auth.h"

#include <string.h>

#include "session/client_line.h"
#include "session/server_capa.h"

enum { COMMAND_BYTES_SAFE = 255 };

enum sasl_mechanism server_auth_mechanism(const struct session *session)
{
    const struct credentials *credentials = &session->credentials;
    const struct server_facts *facts = &session->server_facts;
    enum sasl_mechanism other = credentials->mechanism == SASL_MECHANISM_XOAUTH2
                                    ? SASL_MECHANISM_OAUTHBEARER
                                    : SASL_MECHANISM_XOAUTH2;

    if (credentials_have_password(credentials))
        return SASL_MECHANISM_PLAIN;
    if (credentials->mechanism == SASL_MECHANISM_EXTERNAL || !facts->has_capa ||
        (facts->mechanisms >> credentials->mechanism & 1) != 0)
        return credentials->mechanism;
    if ((facts->mechanisms >> other & 1) != 0)
        return other;
    /* The operator has named the mechanism for a token of his own. */
    return credentials->is_client_token ? SASL_MECHANISM_NONE : credentials->mechanism;
}

/* Puts the client's token into a message of this mechanism, in the memory of the credentials. Returns
 * NULL if there is no room. */
static const char *convert_token(struct session *session, enum sasl_mechanism mechanism,
                                 size_t *length_r)
{
    struct credentials *credentials = &session->credentials;
    size_t size = credentials->message_length + SASL_TOKEN_EXTRA;
    char *token = credentials_room(credentials, size);
    char *message = token == NULL ? NULL : credentials_room(credentials, size);

    if (message == NULL ||
        sasl_token_value(credentials->mechanism, credentials->message, credentials->message_length,
                         token, size) != SASL_OK)
        return NULL;
    *length_r = sasl_token_make(mechanism, token, message, size);
    return *length_r > 0 ? message : NULL;
}

static enum sasl_result encode_token(struct session *session, enum sasl_mechanism mechanism,
                                     char *text, size_t *length_r)
{
    const struct credentials *credentials = &session->credentials;
    const char *message = credentials->message;
    size_t length = credentials->message_length;

    if (mechanism != credentials->mechanism)
        message = convert_token(session, mechanism, &length);
    return message == NULL ? SASL_TOO_LONG
                           : sasl_token_encode(mechanism, message, length, credentials->user, text,
                                               SASL_BASE64_BUFFER_SIZE, length_r);
}

/* Octets for the initial response and its NUL. What is reserved is wiped, so a short response must
 * not reserve room for the longest one. */
static size_t response_size(const struct session *session, enum sasl_mechanism mechanism)
{
    const struct credentials *credentials = &session->credentials;
    const char *master = session->route.master;
    size_t length = strlen(credentials->user);

    if (mechanism == SASL_MECHANISM_PLAIN)
        length += strlen(credentials->password) + 2 + (master == NULL ? 0 : strlen(master));
    else if (mechanism != SASL_MECHANISM_EXTERNAL)
        return SASL_BASE64_BUFFER_SIZE;
    return length > SASL_DATA_MAX ? SASL_BASE64_BUFFER_SIZE : SASL_BASE64_SIZE(length);
}

/* The initial response in base64, in the memory of the credentials. NULL if there is no room. */
static const char *encode(struct session *session, enum sasl_mechanism mechanism)
{
    struct credentials *credentials = &session->credentials;
    const char *user = credentials->user;
    const char *master = session->route.master;
    size_t size = response_size(session, mechanism);
    char *text = credentials_room(credentials, size);
    enum sasl_result result = SASL_TOO_LONG;
    size_t length;

    if (text == NULL)
        return NULL;
    if (mechanism == SASL_MECHANISM_PLAIN)
        result = sasl_plain_encode(master == NULL ? "" : user, master == NULL ? user : master,
                                   credentials->password, text, size, &length);
    else if (mechanism == SASL_MECHANISM_EXTERNAL)
        result = sasl_base64_encode(user, strlen(user), text, size, &length);
    else
        result = encode_token(session, mechanism, text, &length);
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

static bool is_short(const char *name, const char *text)
{
    return strlen("AUTH  \r\n") + strlen(name) + strlen(text) <= COMMAND_BYTES_SAFE;
}

/* Sends the initial response `text`, at once or when the server asks for it. */
static enum outcome authenticate(struct session *session, enum sasl_mechanism mechanism,
                                 const char *text, struct server_reply *reply)
{
    const char *name = sasl_mechanism_info(mechanism)->name;
    bool has_sent = is_short(name, text);
    enum outcome outcome = has_sent ? server_settle(session) : OUTCOME_NONE;

    if (outcome == OUTCOME_NONE)
        outcome = server_exchange(session,
                                  (const char *const[]){"AUTH", name, has_sent ? text : NULL, NULL},
                                  server_answer_read, reply);
    if (outcome == OUTCOME_NONE && !has_sent && reply->is_ok)
        return OUTCOME_SERVER_BAD_REPLY; /* it has not seen the credentials yet */
    session->has_taken_response = outcome == OUTCOME_NONE && reply->is_ok;
    /* At most two challenges: the prompt, and the reason for a refusal. */
    for (int i = 0; i < 2 && outcome == OUTCOME_NONE && reply->is_challenge; i++)
        outcome = answer_challenge(session, mechanism, text, reply);
    if (outcome == OUTCOME_NONE && reply->is_challenge)
        return OUTCOME_SERVER_BAD_REPLY;
    return outcome;
}

static bool may_ask_at_once(const struct session *session, enum sasl_mechanism mechanism,
                            const char *text)
{
    const struct server_facts *facts = &session->server_facts;

    return mechanism == SASL_MECHANISM_PLAIN && facts->has_pipelining && facts->answers_once &&
           facts->takes_response && is_short(sasl_mechanism_info(mechanism)->name, text);
}

/* PLAIN and CAPA in one segment. A server that asks for the response all the same has taken CAPA for
 * it: the next login sends less at once. */
static enum outcome authenticate_at_once(struct session *session, const char *text,
                                         struct server_reply *reply)
{
    const char *name = sasl_mechanism_info(SASL_MECHANISM_PLAIN)->name;
    enum outcome outcome = server_check_quiet(session);

    if (outcome != OUTCOME_NONE)
        return outcome;
    server_put(session, (const char *const[]){"AUTH", name, text, NULL});
    outcome = server_send(session, (const char *const[]){"CAPA", NULL});
    if (outcome == OUTCOME_NONE)
        outcome = server_answer_read(session, 0, server_login_deadline_ms(session), reply);
    if (outcome != OUTCOME_NONE || !reply->is_challenge)
        return outcome;
    server_capa_forget(session);
    return OUTCOME_SERVER_BAD_REPLY;
}

enum outcome server_auth(struct session *session, struct server_reply *reply, bool *has_capa_sent_r)
{
    enum sasl_mechanism mechanism = server_auth_mechanism(session);
    size_t length = buffer_length(&session->credentials.memory);
    const char *text = encode(session, mechanism);
    enum outcome outcome = OUTCOME_LOGIN_REFUSED;

    if (text == NULL) {
        client_say(session, "-ERR [AUTH] user name and password are too long");
    } else {
        secret_note(&session->secrets, text, strlen(text));
        session->is_password_tried = true;
        *has_capa_sent_r = may_ask_at_once(session, mechanism, text);
        outcome = *has_capa_sent_r ? authenticate_at_once(session, text, reply)
                                   : authenticate(session, mechanism, text, reply);
    }
    /* The login may be tried again, and the memory holds the response only a few times. */
    credentials_give_back(&session->credentials, length);
    return outcome;
}
