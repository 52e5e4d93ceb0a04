/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The name of the server in texts: the stages and the trace below them need it.
 */
#include "session/session.h"

#include <stdio.h>

const char *session_server_text(const struct session *session, char text[SESSION_SERVER_SIZE])
{
    const struct host_port *server = &session->server_name;

    if (server->port != 0)
        return host_port_text(server->host, server->port, text);
    snprintf(text, SESSION_SERVER_SIZE, "%s", server->host);
    return text;
}
