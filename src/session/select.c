/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server selection: which part of the login name is the user, which the server, and may this
 * client have that server.
 */
#include <string.h>

#include "session/stages.h"

/* The last delimiter in `name`: user names are mail addresses today. NULL when there is none. */
static char *last_delimiter(char *name, const char *delimiters)
{
    char *found = NULL;

    for (char *c = name; *c != '\0'; c++)
        if (strchr(delimiters, *c) != NULL)
            found = c;
    return found;
}

/* "proxyuser@home:user" without a server part: what stands behind the delimiter is no server, and
 * the delimiter belongs to the proxy user's name. */
static bool is_part_of_proxy_user(const struct session *session, const char *delimiter)
{
    struct host_port parsed;

    return session->values->acp != NULL && strchr(delimiter + 1, ':') != NULL &&
           host_port_parse(&parsed, delimiter + 1) == -1;
}

/* The server part exactly as the client wrote it against the allow list, then as a name. */
static enum outcome take_server(struct session *session, const char *text)
{
    const struct pattern_list *allowed = session->start->conf->allowed;

    if (allowed != NULL && !pattern_list_is_match(allowed, text))
        return OUTCOME_SERVER_NOT_ALLOWED;
    if (host_port_parse(&session->server_name, text) == -1)
        return OUTCOME_BAD_SERVER_NAME;
    if (session->server_name.port == 0)
        session->server_name.port = session->start->conf->server_port;
    return OUTCOME_NONE;
}

static enum outcome take_default_server(struct session *session)
{
    if (!session->start->conf->has_server)
        return OUTCOME_NO_SERVER;
    session->server_name = session->start->conf->server;
    return OUTCOME_NONE;
}

/* The manual's "proxy-user:server-user" and "proxy-pass:server-pass": only where an acp can verify
 * them, and the password only where the name was split: for everybody else a colon is part of the
 * password. */
static void split_proxy_credentials(struct session *session)
{
    struct credentials *credentials = &session->credentials;
    char *colon = NULL;

    if (session->values->acp != NULL)
        colon = strchr(credentials->user, ':');
    if (colon == NULL)
        return;
    *colon = '\0';
    credentials->proxy_user = credentials->user;
    credentials->user = colon + 1;
    colon = strchr(credentials->password, ':');
    if (colon == NULL)
        return;
    *colon = '\0';
    credentials->proxy_password = credentials->password;
    credentials->password = colon + 1;
}

/* With EXTERNAL the certificate says who the user is. */
static bool is_named_by_certificate(const struct session *session)
{
    return strcmp(session->credentials.user, session->client_tls.certificate) == 0;
}

/* Takes the login name apart; *server becomes what was selected, or stays. */
static void split_name(struct session *session, const char **server)
{
    const struct conf_values *values = session->values;
    char *delimiter = NULL;

    if (values->select_server)
        delimiter = last_delimiter(session->credentials.user, values->delimiters);
    if (delimiter != NULL && !is_part_of_proxy_user(session, delimiter)) {
        *delimiter = '\0';
        *server = delimiter + 1;
    }
    split_proxy_credentials(session);
}

enum outcome select_run(struct session *session)
{
    struct credentials *credentials = &session->credentials;
    bool is_external = credentials->mechanism == SASL_MECHANISM_EXTERNAL;
    const char *server = "";
    enum outcome outcome;

    /* What the certificate names is one user: a part of the name is somebody else. */
    if (!is_external || !is_named_by_certificate(session))
        split_name(session, &server);
    /* Behind it everything is zero. */
    memcpy(session->user, credentials->user, strnlen(credentials->user, SESSION_USER_SIZE - 1));
    outcome = server[0] != '\0' ? take_server(session, server) : take_default_server(session);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (credentials->user[0] == '\0' ||
        (credentials_have_password(credentials) && credentials->password[0] == '\0'))
        return OUTCOME_NO_USER;
    if (is_external && !is_named_by_certificate(session))
        return OUTCOME_WRONG_CERTIFICATE;
    return OUTCOME_NONE;
}
