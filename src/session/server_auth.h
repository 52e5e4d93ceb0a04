/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AUTH at the server (RFC 5034).
 */
#ifndef SESSION_SERVER_AUTH_H
#define SESSION_SERVER_AUTH_H

#include "session/server_line.h"
#include "session/session.h"

/* Logs in with the client's credentials. `reply` is the server's last word. */
enum outcome server_auth(struct session *session, struct server_reply *reply);

#endif
