/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that asks the access control program (acp): it decides whether this client may use this
 * server. Its exit status decides. What it prints goes to the client as lines, without control
 * octets.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pop3/reply.h"
#include "session/client_line.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/starttls.h"
#include "session/trace.h"

static const char refusal[] = "-ERR";
enum { REFUSAL_LENGTH = sizeof(refusal) - 1, TRACED_BYTES = 256 };

/* What the acp printed so far. */
struct acp_lines {
    struct session *session;
    int64_t deadline_ms;
    size_t column;  /* octets of the line that has not ended yet */
    size_t matched; /* octets at its start that are those of the refusal */
    bool has_refused;
    char traced[TRACED_BYTES]; /* the beginning of the line, for a trace */
};

static void put_text(struct acp_lines *lines, char octet)
{
    if (lines->matched == lines->column && lines->matched < REFUSAL_LENGTH &&
        octet == refusal[lines->matched])
        lines->matched++;
    octet = reply_clean_octet(octet);
    if (lines->column < TRACED_BYTES)
        lines->traced[lines->column] = octet;
    lines->column++;
    stream_put(&lines->session->client, &octet, 1);
}

static void put_line_end(struct acp_lines *lines)
{
    size_t traced = lines->column < TRACED_BYTES ? lines->column : TRACED_BYTES;

    stream_put(&lines->session->client, "\r\n", 2);
    trace_reply(lines->session, TRACE_TO_CLIENT, lines->traced, traced);
    lines->has_refused |= lines->matched == REFUSAL_LENGTH;
    lines->column = lines->matched = 0;
}

/* Takes a piece of the output. The pieces fit the client's buffer, and the helper passes at most
 * 64 KiB in all. */
static enum io_status take_output(void *context, const char *data, size_t length)
{
    struct acp_lines *lines = context;

    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n')
            put_line_end(lines);
        else if (data[i] != '\r')
            put_text(lines, data[i]);
    }
    return stream_flush(&lines->session->client, false, lines->deadline_ms);
}

/* Only a refusal tells the client that it is not logged in. Other lines are not a reply. */
static void end_last_line(struct acp_lines *lines)
{
    if (lines->column > 0)
        put_line_end(lines);
    if (lines->has_refused)
        client_reply_begun(lines->session);
}

static enum io_status ask(struct session *session, const struct address *local,
                          struct acp_lines *lines, bool *granted_r)
{
    const struct credentials *credentials = &session->credentials;
    char interface[ADDRESS_TEXT_SIZE];
    char client[ADDRESS_TEXT_SIZE];
    char port[8];
    char client_port[8];
    char server_port[8];
    char tls[STARTTLS_TEXT_SIZE];
    struct helper_access access = {
        .interface = address_host_text(local, interface),
        .port = port,
        .client = address_host_text(&session->client_address, client),
        .client_port = client_port,
        .server = session->server_name.host,
        .server_port = server_port,
        .server_login = credentials->user,
        .username = credentials->proxy_user,
        .password = credentials->proxy_password,
        .session = session->id,
        .tls = starttls_text(&session->client_tls, tls),
        .certificate = session->client_names.certificate,
    };

    snprintf(port, sizeof(port), "%u", address_port(local));
    snprintf(client_port, sizeof(client_port), "%u", address_port(&session->client_address));
    snprintf(server_port, sizeof(server_port), "%u", session->server_name.port);
    return helper_ask_access(session->start->helper, address_account_key(&session->client_address),
                             &access, take_output, lines, lines->deadline_ms, granted_r);
}

static void note_secret(struct session *session)
{
    const char *password = session->credentials.proxy_password;

    if (password != NULL && password[0] != '\0')
        secret_note(&session->secrets, password, strlen(password));
}

enum outcome access_run(struct session *session)
{
    const struct conf_values *values = session->values;
    struct acp_lines lines = {.session = session};
    struct address local;
    enum io_status status;
    bool granted;

    if (values->acp == NULL)
        return OUTCOME_NONE;
    session_enter(session, SESSION_STAGE_ACCESS);
    lines.deadline_ms =
        clock_earlier(session->login_deadline_ms, clock_after_ms(values->acp_timeout * 1000));
    session_local_address(session, &local);
    note_secret(session); /* the program may print it, and a trace shows what is printed */
    status = ask(session, &local, &lines, &granted);
    end_last_line(&lines);
    if (session->client.write_status != IO_OK)
        return OUTCOME_CLIENT_LOST;
    if (status == IO_STOPPED)
        return OUTCOME_STOPPED;
    if (status == IO_DEADLINE)
        return OUTCOME_ACP_TIMEOUT;
    if (status != IO_OK)
        return OUTCOME_ACP_FAILED;
    if (!granted)
        return OUTCOME_ACCESS_DENIED;
    client_owe_reply(session); /* the reply to the login comes from the server */
    return OUTCOME_NONE;
}
