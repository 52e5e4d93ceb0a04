/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAPA at the server, for our own use: to learn what the server can do, and to make sure that a
 * login has really succeeded.
 *
 * A login is decided by counting replies: the one after PASS is taken for the reply to PASS. If the
 * server has answered an earlier command twice, that is wrong, and a refused login looks accepted.
 * So after the deciding +OK we want the reply to one more command, CAPA, which no other reply
 * resembles: it is a list. If it follows the +OK, all replies before it have been counted right. A
 * server without CAPA is listened to for a moment instead.
 */
#ifndef SESSION_SERVER_CAPA_H
#define SESSION_SERVER_CAPA_H

#include "session/server_line.h"
#include "session/session.h"

/* Finds out session->server_facts: from known_servers, or by asking the server. Call it before the
 * login, and after TLS has begun: what was said in the clear does not count. */
enum outcome server_capa_learn(struct session *session);

/* Notes that a login, a command at a time, had one reply to each command; and whether AUTH had its
 * response in the same line. */
void server_capa_trust(struct session *session);

/* The server has sent what it was not asked for: nothing is known of it any more. Call it before its
 * stream is closed. */
void server_capa_forget(const struct session *session);

/* False if the server has neither XOAUTH2 nor OAUTHBEARER, as far as is known. */
bool server_capa_has_tokens(const struct server_facts *facts);

/* The same of the server that the session will have, before it is selected: false only if there is
 * just one to select. */
bool server_capa_may_take_tokens(const struct session *session);

/*
 * Confirms the +OK that decides the login: `reply`, at the start of the server's input. `is_sent`:
 * a CAPA has followed the password already; else it is sent here. Returns OUTCOME_NONE if the login
 * has succeeded. reply->length then includes the octets of the list, and reply->line is set again.
 * *line_length_r is the length of the line alone.
 */
enum outcome server_capa_confirm(struct session *session, struct server_reply *reply, bool is_sent,
                                 size_t *line_length_r);

#endif
