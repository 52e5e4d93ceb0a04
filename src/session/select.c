/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that selects the server: splits the login name into user and server, and checks that
 * the server is allowed.
 */
#include <stdio.h>
#include <string.h>

#include "session/stage.h"
#include "session/stages.h"

/* Gmail's recent mode: "recent:ada@example.org" is a user at the server. */
static const char recent[] = "recent:";

/* The last delimiter in `name`, or NULL. The last, because user names are mail addresses today. */
static char *last_delimiter(char *name, const char *delimiters)
{
    char *found = NULL;

    for (char *c = name; *c != '\0'; c++)
        if (strchr(delimiters, *c) != NULL)
            found = c;
    return found;
}

/* Only an acp can check the proxy user, so without one nothing is split. */
static bool may_be_proxy_login(const struct session *session)
{
    return session->values->acp != NULL && session->values->proxy_login &&
           strncmp(session->credentials.user, recent, strlen(recent)) != 0;
}

/* In "proxyuser@home:user", without a server part, the text after the delimiter is not a server
 * name: the delimiter belongs to the name of the proxy user. */
static bool is_part_of_proxy_user(const struct session *session, const char *delimiter)
{
    struct host_port parsed;

    return may_be_proxy_login(session) && strchr(delimiter + 1, ':') != NULL &&
           host_port_parse(&parsed, delimiter + 1) == -1;
}

/* The name is parsed first: the list and all that follows see the same form of it. */
static enum outcome take_server(struct session *session, const char *text)
{
    const struct conf_instance *conf = session->start->conf;

    if (host_port_parse(&session->server_name, text) == -1) {
        /* Without a port it is no server. The log names what was refused. */
        snprintf(session->server_name.host, sizeof(session->server_name.host), "%s", text);
        return OUTCOME_BAD_SERVER_NAME;
    }
    if (session->server_name.port == 0)
        session->server_name.port = conf->server_port;
    if (conf->allowed != NULL &&
        !host_list_is_match(conf->allowed, &session->server_name, conf->server_port))
        return OUTCOME_SERVER_NOT_ALLOWED;
    snprintf(session->route.name, sizeof(session->route.name), "client");
    session->route.is_client_choice = true;
    return OUTCOME_NONE;
}

static enum outcome take_default_server(struct session *session)
{
    const struct conf_instance *conf = session->start->conf;
    bool is_group = conf->group != NULL;

    snprintf(session->route.name, sizeof(session->route.name), is_group ? "group" : "default");
    session->server_name = conf->server;
    session->route.group = is_group ? &conf->group->route : NULL;
    /* Without one, a routing table may name the server. */
    return conf->has_server || is_group || session->values->route != NULL ? OUTCOME_NONE
                                                                         : OUTCOME_NO_SERVER;
}

/* Splits the manual's "proxy-user:server-user" and "proxy-pass:server-pass". The password is split
 * only if the name was: for all other users a colon is part of the password. */
static void split_proxy_credentials(struct session *session)
{
    struct credentials *credentials = &session->credentials;
    char *colon = NULL;

    if (may_be_proxy_login(session))
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

/* The login name is the whole name in the client's certificate. */
static bool is_named_by_certificate(const struct session *session)
{
    return strcmp(session->credentials.user, session->client_names.certificate) == 0;
}

/* Splits the login name. *server becomes the server part, or stays if there is none. */
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

static bool is_external(const struct session *session)
{
    return session->credentials.mechanism == SASL_MECHANISM_EXTERNAL;
}

/* EXTERNAL: a certificate names one user. A part of that name would be another user. */
const char *select_user(struct session *session)
{
    const char *server = "";

    if (!is_external(session) || !is_named_by_certificate(session))
        split_name(session, &server);
    session_note_user(session);
    return server;
}

enum outcome select_run(struct session *session)
{
    struct credentials *credentials = &session->credentials;
    const char *server = select_user(session);
    enum outcome outcome;

    session->route.tls = (enum conf_server_tls)session->values->server_tls;
    outcome = server[0] != '\0' ? take_server(session, server) : take_default_server(session);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (credentials->user[0] == '\0' ||
        (credentials_have_password(credentials) && credentials->password[0] == '\0'))
        return OUTCOME_NO_USER;
    if (is_external(session) && !is_named_by_certificate(session))
        return OUTCOME_WRONG_CERTIFICATE;
    return OUTCOME_NONE;
}
