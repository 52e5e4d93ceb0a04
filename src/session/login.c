/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AUTHORIZATION state with the client, after the greeting: commands until the credentials are
 * complete. The server is not contacted yet, because the login name selects it.
 */
#include "session/auth.h"
#include "session/capa.h"
#include "session/client_line.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/starttls.h"

/* CAPA, AUTH and USER are answered without a server, and never end the session. A client that streams
 * them would take the worker's time from all other sessions, so further ones count as refused. */
enum { FREE_COMMANDS_MAX = 20 };

static bool is_free(enum command_verb verb)
{
    return verb == COMMAND_CAPA || verb == COMMAND_AUTH || verb == COMMAND_USER;
}

static enum outcome take_user(struct session *session, const struct command *command)
{
    credentials_wipe(&session->credentials); /* a second USER replaces the first */
    session->credentials.user =
        credentials_keep(&session->credentials, command->argument, command->argument_length);
    if (session->credentials.user == NULL)
        return OUTCOME_INTERNAL;
    client_say(session, "+OK password please");
    return OUTCOME_NONE;
}

static enum outcome take_password(struct session *session, const struct command *command)
{
    session->credentials.password =
        credentials_keep(&session->credentials, command->argument, command->argument_length);
    return session->credentials.password == NULL ? OUTCOME_INTERNAL : OUTCOME_NONE;
}

/* Serves a command without a fault. *is_done_r is set to true if the credentials are complete. */
static enum outcome serve_command(struct session *session, const struct command *command,
                                  bool *is_done_r)
{
    enum outcome outcome = OUTCOME_NONE;

    if (is_free(command->verb) && ++session->free_commands > FREE_COMMANDS_MAX)
        return client_refuse_command(session, command, COMMAND_TOO_MANY);
    switch (command->verb) {
    case COMMAND_STLS:
        return client_stls(session, command);
    case COMMAND_USER:
        if (client_needs_tls(session))
            return client_refuse_command(session, command, COMMAND_NEEDS_TLS);
        outcome = take_user(session, command);
        break;
    case COMMAND_PASS:
        if (session->credentials.user == NULL)
            return client_refuse_command(session, command, COMMAND_WRONG_STATE);
        outcome = take_password(session, command);
        *is_done_r = true;
        break;
    case COMMAND_AUTH:
        return auth_serve(session, command, is_done_r);
    case COMMAND_CAPA:
        capa_say(session);
        break;
    case COMMAND_QUIT:
        client_say(session, "+OK bye");
        outcome = OUTCOME_QUIT_BEFORE_LOGIN;
        break;
    default:
        return client_refuse_command(session, command, COMMAND_WRONG_STATE);
    }
    client_line_done(session);
    return outcome;
}

enum outcome login_run(struct session *session)
{
    bool is_done = false;

    while (!is_done) {
        struct command command;
        enum command_fault fault;
        enum outcome outcome = client_line_read(session, COMMAND_STATE_AUTH,
                                                session->login_deadline_ms, &command, &fault);

        if (outcome == OUTCOME_NONE)
            outcome = fault == COMMAND_GOOD ? serve_command(session, &command, &is_done)
                                            : client_refuse_command(session, &command, fault);
        if (outcome != OUTCOME_NONE)
            return outcome;
    }
    session->login_deadline_ms = session_login_end_ms(session, false);
    return OUTCOME_NONE;
}
