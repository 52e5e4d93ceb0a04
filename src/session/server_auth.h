/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AUTH at the server (RFC 5034).
 */
#ifndef SESSION_SERVER_AUTH_H
#define SESSION_SERVER_AUTH_H

#include "session/server_line.h"
#include "session/session.h"

/* The mechanism for the client's credentials: PLAIN for a password. A token goes with the mechanism
 * that the server has, whichever the client has used; NONE if it has neither. */
enum sasl_mechanism server_auth_mechanism(const struct session *session);

/* Logs in with the client's credentials. `reply` is the server's last word. Call it only if there is
 * a mechanism. *has_capa_sent_r: see server_capa_confirm(). */
enum outcome server_auth(struct session *session, struct server_reply *reply,
                         bool *has_capa_sent_r);

#endif
