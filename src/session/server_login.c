/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that logs in at the server with the client's credentials and tells the client how it
 * went. The client cannot tell whether its user name or its password was refused.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/octet.h"
#include "pop3/reply.h"
#include "session/client_line.h"
#include "session/identity.h"
#include "session/server_auth.h"
#include "session/server_capa.h"
#include "session/server_line.h"
#include "session/server_refusal.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/starttls.h"

enum {
    RECORD_LIMIT_MS = 2000, /* a slow disk must not delay a login for longer */
    RECORD_BYTES = 1024,
};

/* *has_xclient_r: the greeting offers XCLIENT. Dovecot says "+OK [XCLIENT] ready" to clients that
 * it trusts. */
static enum outcome read_greeting(struct session *session, bool *has_xclient_r)
{
    static const char code[] = "[XCLIENT";
    struct server_reply greeting;
    enum outcome outcome =
        server_reply_read(session, 0, server_login_deadline_ms(session), &greeting);

    if (outcome != OUTCOME_NONE)
        return outcome;
    if (!greeting.is_ok)
        return OUTCOME_SERVER_REFUSED;
    *has_xclient_r = memmem(greeting.line, greeting.length, code, sizeof(code) - 1) != NULL;
    return server_reply_done(session, &greeting, true);
}

/* The mailbox is in use, and there is time to wait for it. */
static bool may_try_again(const struct session *session, const struct server_reply *reply)
{
    return session->in_use_left_ms > 0 && server_refusal_is_in_use(session, reply) &&
           clock_after_ms(session->in_use_pause_ms) < session->login_deadline_ms;
}

/* ---- the client log ---- */

/* Blanks separate the four fields of a line, so in a field they are written as \xHH, as are
 * backslashes and all octets that are not printable ASCII. */
static size_t put_escaped(char *to, size_t size, const char *text)
{
    size_t length = 0;

    for (; *text != '\0' && length + 5 < size; text++) {
        if (octet_is_graphic(*text) && *text != '\\')
            to[length++] = *text;
        else
            length += (size_t)snprintf(to + length, 5, "\\x%02x", (unsigned char)*text);
    }
    to[length] = '\0';
    return length;
}

/* "<unix time> <client ip> <user> <server>" */
static void record_client(struct session *session)
{
    const struct host_port *server = &session->server_name;
    char client[ADDRESS_TEXT_SIZE];
    char user[RECORD_BYTES / 2];
    char port[8] = "";
    char line[RECORD_BYTES];
    bool is_ipv6 = strchr(server->host, ':') != NULL;

    if (session->values->client_log == NULL)
        return;
    address_host_text(&session->client_address, client);
    if (client[0] == '\0')
        return;
    put_escaped(user, sizeof(user), session->user);
    if (server->port != session->start->conf->server_port)
        snprintf(port, sizeof(port), ":%u", server->port);
    snprintf(line, sizeof(line), "%lld %s %s %s%s%s%s\n", (long long)clock_wall_s(), client, user,
             is_ipv6 && port[0] != '\0' ? "[" : "", server->host,
             is_ipv6 && port[0] != '\0' ? "]" : "", port);
    /* A failure to write must not make the login fail. The helper has logged it. */
    (void)helper_record_client(
        session->start->helper, session->id, client, line,
        clock_earlier(session->login_deadline_ms, clock_after_ms(RECORD_LIMIT_MS)));
}

static void log_login(const struct session *session)
{
    char client[ADDRESS_TEXT_SIZE];
    const struct sasl_mechanism_info *mechanism =
        sasl_mechanism_info(session->credentials.mechanism);
    char server[SESSION_SERVER_SIZE];
    char address[ADDRESS_TEXT_SIZE];
    struct log_line line;

    if (session->values->quiet)
        return;
    session_log_begin(&line, session, EVENT_LOGIN);
    log_add(&line, "client", address_host_text(&session->client_address, client));
    log_add(&line, "user", session->user);
    log_add(&line, "server", session_server_text(session, server));
    log_add(&line, "server_address", address_text(&session->server_address, address));
    log_add(&line, "auth", mechanism == NULL ? "USER" : mechanism->name);
    log_end(&line);
}

/* No secret passes after the login, so the buffers need not wipe every octet any more. */
static void forget_secrets(struct session *session)
{
    credentials_wipe(&session->credentials);
    session->client.in.is_secret = false;
    session->server.out.is_secret = false;
}

static enum outcome send_credential(struct session *session, const char *keyword,
                                    const char *credential, struct server_reply *reply)
{
    return server_exchange(session, (const char *const[]){keyword, credential, NULL},
                           server_reply_read, reply);
}

/* USER, and after its reply PASS. */
static enum outcome log_in_by_steps(struct session *session, struct server_reply *reply)
{
    const struct credentials *credentials = &session->credentials;
    enum outcome outcome = send_credential(session, "USER", credentials->user, reply);

    if (outcome != OUTCOME_NONE || !reply->is_ok)
        return outcome;
    outcome = server_reply_done(session, reply, true);
    if (outcome == OUTCOME_NONE)
        outcome = server_settle(session);
    if (outcome != OUTCOME_NONE)
        return outcome;
    session->is_password_tried = true;
    return send_credential(session, "PASS", credentials->password, reply);
}

/* USER, PASS and the CAPA that confirms them in one segment. */
static enum outcome log_in_at_once(struct session *session, struct server_reply *reply)
{
    const struct credentials *credentials = &session->credentials;
    int64_t deadline_ms = server_login_deadline_ms(session);
    enum outcome outcome = server_check_quiet(session);

    if (outcome != OUTCOME_NONE)
        return outcome;
    server_put(session, (const char *const[]){"USER", credentials->user, NULL});
    server_put(session, (const char *const[]){"PASS", credentials->password, NULL});
    outcome = server_send(session, (const char *const[]){"CAPA", NULL});
    if (outcome == OUTCOME_NONE)
        outcome = server_reply_read(session, 0, deadline_ms, reply);
    if (outcome != OUTCOME_NONE || !reply->is_ok)
        return outcome;
    session->is_password_tried = true;
    outcome = server_reply_done(session, reply, false);
    return outcome == OUTCOME_NONE ? server_reply_read(session, 0, deadline_ms, reply) : outcome;
}

static void note_token(struct session *session)
{
    const struct credentials *credentials = &session->credentials;
    const char *token;
    size_t length;

    if (sasl_token_find(credentials->mechanism, credentials->message, credentials->message_length,
                        &token, &length) == SASL_OK)
        secret_note(&session->secrets, token, length);
}

/* For the log, which shows words of the server. */
static void note_secret(struct session *session)
{
    const struct credentials *credentials = &session->credentials;

    if (credentials_have_password(credentials))
        secret_note(&session->secrets, credentials->password, strlen(credentials->password));
    else if (credentials->message != NULL)
        note_token(session);
}

/* The server has no mechanism for a token, so it is not asked. */
static enum outcome refuse_mechanism(struct session *session)
{
    client_say_error(session, command_fault_text(COMMAND_BAD_MECHANISM));
    return OUTCOME_LOGIN_REFUSED;
}

/* AUTH, and not USER and PASS. */
static bool is_auth_due(const struct session *session)
{
    bool has_plain = (session->server_facts.mechanisms >> SASL_MECHANISM_PLAIN & 1) != 0;

    if (!credentials_have_password(&session->credentials) || session->route.master != NULL)
        return true;
    switch ((enum conf_server_auth)session->values->server_auth) {
    case CONF_SERVER_AUTH_PLAIN:
        return true;
    case CONF_SERVER_AUTH_USERPASS:
        return false;
    case CONF_SERVER_AUTH_AUTO:
        break;
    }
    return has_plain;
}

/* `reply` is the server's last word. *has_capa_sent_r: see server_capa_confirm(). */
static enum outcome log_in(struct session *session, struct server_reply *reply,
                           bool *has_capa_sent_r)
{
    const struct server_facts *facts = &session->server_facts;

    *has_capa_sent_r = false;
    if (server_auth_mechanism(session) == SASL_MECHANISM_NONE)
        return refuse_mechanism(session);
    session->is_login_sent = true;
    note_secret(session);
    if (is_auth_due(session))
        return server_auth(session, reply, has_capa_sent_r);
    *has_capa_sent_r = facts->has_pipelining && facts->answers_once;
    return *has_capa_sent_r ? log_in_at_once(session, reply) : log_in_by_steps(session, reply);
}

/* From the connection to the moment when the server can be told who logs in. */
static enum outcome prepare(struct session *session)
{
    bool has_xclient = false;
    enum outcome outcome = server_tls_implicit(session);

    if (outcome == OUTCOME_NONE)
        outcome = read_greeting(session, &has_xclient);
    if (outcome == OUTCOME_NONE)
        outcome = server_stls(session);
    if (outcome == OUTCOME_NONE)
        outcome = identity_send_xclient(session, has_xclient);
    return outcome == OUTCOME_NONE ? server_capa_learn(session) : outcome;
}

enum outcome server_login_run(struct session *session)
{
    struct server_reply reply;
    bool has_capa_sent = false;
    size_t line_length;
    enum outcome outcome;

    session_enter(session, SESSION_STAGE_SERVER_LOGIN);
    session->is_password_tried = session->has_last_words = session->has_taken_response = false;
    outcome = prepare(session);
    if (outcome == OUTCOME_NONE)
        outcome = log_in(session, &reply, &has_capa_sent);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (!reply.is_ok && may_try_again(session, &reply)) {
        session->is_in_use = true;
        return OUTCOME_LOGIN_UNAVAILABLE;
    }
    if (!reply.is_ok)
        return server_refusal_say(session, &reply);
    outcome = server_capa_confirm(session, &reply, has_capa_sent, &line_length);
    if (outcome == OUTCOME_NONE)
        outcome = admission_log_in(session);
    if (outcome != OUTCOME_NONE)
        return outcome;
    server_capa_trust(session);
    record_client(session);
    log_login(session);
    client_pass(session, reply.line, line_length);
    forget_secrets(session);
    return server_reply_done(session, &reply, true);
}
