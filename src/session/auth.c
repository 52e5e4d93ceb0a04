/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AUTH with the client (RFC 5034): the exchange of one mechanism. It ends with credentials, which
 * then go the same way as those of USER and PASS. A malformed message is refused before the acp or
 * a server is asked.
 */
#include "session/auth.h"

#include <stdio.h>
#include <string.h>

#include "session/client_line.h"
#include "session/server_capa.h"
#include "session/starttls.h"

/* An exchange under way. */
struct exchange {
    struct session *session;
    enum sasl_mechanism mechanism;
    char *message; /* the last message of the client, decoded */
    size_t message_length;
    bool is_over; /* there is no further challenge */
};

/* ---- what is offered ---- */

/* EXTERNAL is offered if the client's certificate names somebody, and a user may have that name. */
static bool is_offered(const struct session *session, enum sasl_mechanism mechanism)
{
    const char *name = session->client_names.certificate;

    if ((session->start->conf->mechanisms >> mechanism & 1) == 0)
        return false;
    return mechanism != SASL_MECHANISM_EXTERNAL ||
           sasl_credential_check(name, strlen(name)) == SASL_OK;
}

/* Some mail programs warn of a server that announces a mechanism in the clear. A client that uses one
 * nevertheless is served, as with USER and PASS. A token is of no use where the server takes none. */
static bool is_announced(const struct session *session, enum sasl_mechanism mechanism)
{
    if (!stream_is_tls(&session->client) &&
        (session->start->conf->clear_mechanisms >> mechanism & 1) == 0)
        return false;
    if (sasl_mechanism_info(mechanism)->is_token && !server_capa_may_take_tokens(session))
        return false;
    return is_offered(session, mechanism);
}

const char *auth_mechanisms(const struct session *session, char before,
                            char text[AUTH_MECHANISMS_SIZE])
{
    size_t length = 0;

    text[0] = '\0';
    for (int i = SASL_MECHANISM_NONE + 1; i < SASL_MECHANISM_COUNT; i++)
        if (is_announced(session, (enum sasl_mechanism)i))
            length += (size_t)snprintf(text + length, AUTH_MECHANISMS_SIZE - length, "%c%s", before,
                                       sasl_mechanism_info((enum sasl_mechanism)i)->name);
    return text;
}

static enum outcome say_mechanisms(struct session *session)
{
    client_say(session, "+OK mechanisms follow");
    for (int i = SASL_MECHANISM_NONE + 1; i < SASL_MECHANISM_COUNT; i++)
        if (is_announced(session, (enum sasl_mechanism)i))
            client_say(session, sasl_mechanism_info((enum sasl_mechanism)i)->name);
    client_say(session, ".");
    client_line_done(session);
    return OUTCOME_NONE;
}

/* ---- messages ---- */

typedef enum sasl_result decode_function(const char *text, size_t length, char *data, size_t size,
                                         size_t *length_r);

/* Decodes a line into the memory of the credentials, so that it is wiped with them. */
static enum sasl_result take_line(struct exchange *exchange, decode_function *decode,
                                  const char *text, size_t length)
{
    exchange->message = credentials_room(&exchange->session->credentials, length + 1);
    if (exchange->message == NULL)
        return SASL_TOO_LONG;
    return decode(text, length, exchange->message, length, &exchange->message_length);
}

/* Sends a challenge and decodes the answer to it. */
static enum outcome ask(struct exchange *exchange, const char *challenge,
                        enum sasl_result *result_r)
{
    struct session *session = exchange->session;
    const char *line;
    size_t length;
    enum outcome outcome;

    client_challenge(session, challenge);
    outcome = client_answer_read(session, session->login_deadline_ms, &line, &length);
    if (outcome != OUTCOME_NONE)
        return outcome;
    *result_r =
        line == NULL ? SASL_TOO_LONG : take_line(exchange, sasl_response_decode, line, length);
    client_line_done(session);
    return OUTCOME_NONE;
}

/* ---- from messages to credentials ---- */

static enum sasl_result take_plain(struct exchange *exchange)
{
    struct credentials *credentials = &exchange->session->credentials;
    size_t size = exchange->message_length + 1;

    exchange->is_over = true;
    credentials->user = credentials_room(credentials, size);
    credentials->password = credentials_room(credentials, size);
    if (credentials->password == NULL || credentials->user == NULL)
        return SASL_TOO_LONG;
    return sasl_plain_decode(exchange->message, exchange->message_length, credentials->user, size,
                             credentials->password, size);
}

static enum sasl_result take_login(struct exchange *exchange)
{
    struct credentials *credentials = &exchange->session->credentials;
    size_t size = exchange->message_length + 1;
    char *text = credentials_room(credentials, size);

    exchange->is_over = credentials->user != NULL;
    if (exchange->is_over)
        credentials->password = text;
    else
        credentials->user = text;
    return text == NULL ? SASL_TOO_LONG
                        : sasl_login_decode(exchange->message, exchange->message_length, text, size);
}

static enum sasl_result take_token(struct exchange *exchange)
{
    struct credentials *credentials = &exchange->session->credentials;
    size_t size = exchange->message_length + 1;

    exchange->is_over = true;
    credentials->is_client_token = true;
    credentials->message = exchange->message;
    credentials->message_length = exchange->message_length;
    credentials->user = credentials_room(credentials, size);
    credentials->password = credentials_keep(credentials, "", 0);
    if (credentials->user == NULL || credentials->password == NULL)
        return SASL_TOO_LONG;
    return sasl_token_user(exchange->mechanism, exchange->message, exchange->message_length,
                           credentials->user, size);
}

static enum sasl_result take_external(struct exchange *exchange)
{
    struct credentials *credentials = &exchange->session->credentials;
    const char *name = exchange->session->client_names.certificate;
    size_t size = exchange->message_length + 1;
    enum sasl_result result;

    exchange->is_over = true;
    credentials->user = credentials_room(credentials, size);
    credentials->password = credentials_keep(credentials, "", 0);
    if (credentials->user == NULL || credentials->password == NULL)
        return SASL_TOO_LONG;
    result =
        sasl_external_decode(exchange->message, exchange->message_length, credentials->user, size);
    if (result != SASL_OK || credentials->user[0] != '\0')
        return result;
    credentials->user = credentials_keep(credentials, name, strlen(name));
    return credentials->user == NULL ? SASL_TOO_LONG : SASL_OK;
}

static enum sasl_result take_message(struct exchange *exchange)
{
    switch (exchange->mechanism) {
    case SASL_MECHANISM_PLAIN:
        return take_plain(exchange);
    case SASL_MECHANISM_LOGIN:
        return take_login(exchange);
    case SASL_MECHANISM_XOAUTH2:
    case SASL_MECHANISM_OAUTHBEARER:
        return take_token(exchange);
    case SASL_MECHANISM_EXTERNAL:
        return take_external(exchange);
    case SASL_MECHANISM_NONE:
    case SASL_MECHANISM_COUNT:
        break;
    }
    return SASL_BAD_MESSAGE;
}

/* The text of the next challenge. */
static const char *next_challenge(const struct exchange *exchange)
{
    if (exchange->mechanism != SASL_MECHANISM_LOGIN)
        return "";
    return exchange->session->credentials.user == NULL ? SASL_LOGIN_USERNAME : SASL_LOGIN_PASSWORD;
}

/* ---- the exchange ---- */

static enum sasl_mechanism find_mechanism(const struct command *command)
{
    size_t width = command->argument_length;
    char name[16];

    if (width >= sizeof(name))
        return SASL_MECHANISM_NONE;
    memcpy(name, command->argument, width);
    name[width] = '\0';
    return sasl_mechanism_find(name);
}

/* A client that cancels has made no mistake. Everything else counts as a refused command. */
static enum outcome refuse(struct exchange *exchange, enum sasl_result result)
{
    struct session *session = exchange->session;

    credentials_wipe(&session->credentials);
    if (result == SASL_CANCELLED) {
        client_say(session, "-ERR cancelled");
        return OUTCOME_NONE;
    }
    return client_refuse(session, "AUTH", sasl_result_word(result),
                         "invalid data for this mechanism");
}

static enum outcome run(struct exchange *exchange, const struct command *command,
                        enum sasl_result *result_r)
{
    bool has_initial = command->second != NULL;

    if (has_initial)
        *result_r =
            take_line(exchange, sasl_initial_decode, command->second, command->second_length);
    client_line_done(exchange->session);
    if (has_initial && *result_r == SASL_OK)
        *result_r = take_message(exchange);
    while (*result_r == SASL_OK && !exchange->is_over) {
        enum outcome outcome = ask(exchange, next_challenge(exchange), result_r);

        if (outcome != OUTCOME_NONE)
            return outcome;
        if (*result_r == SASL_OK)
            *result_r = take_message(exchange);
    }
    return OUTCOME_NONE;
}

enum outcome auth_serve(struct session *session, const struct command *command, bool *is_done_r)
{
    struct exchange exchange = {.session = session};
    enum sasl_result result = SASL_OK;
    enum outcome outcome;

    if (session->start->conf->mechanisms == 0)
        return client_refuse_command(session, command, COMMAND_UNKNOWN);
    if (client_needs_tls(session))
        return client_refuse_command(session, command, COMMAND_NEEDS_TLS);
    if (command->argument == NULL)
        return say_mechanisms(session);
    exchange.mechanism = find_mechanism(command);
    if (exchange.mechanism == SASL_MECHANISM_NONE || !is_offered(session, exchange.mechanism))
        return client_refuse_command(session, command, COMMAND_BAD_MECHANISM);
    credentials_wipe(&session->credentials);
    session->credentials.mechanism = exchange.mechanism;
    outcome = run(&exchange, command, &result);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (result != SASL_OK)
        return refuse(&exchange, result);
    *is_done_r = true;
    return OUTCOME_NONE;
}
