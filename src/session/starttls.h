/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS on either side of a session: when it begins, and what the logs say of it.
 */
#ifndef SESSION_STARTTLS_H
#define SESSION_STARTTLS_H

#include "pop3/command.h"
#include "session/session.h"

/* ---- with the client ---- */

/* STLS is set for this session and TLS has not begun yet. */
bool client_may_stls(const struct session *session);

/* A login must wait until TLS has begun. */
bool client_needs_tls(const struct session *session);

/* Begins TLS before the first octet, where that is set. */
enum outcome client_tls_implicit(struct session *session);

/* Serves STLS: replies and begins TLS, or refuses the command. */
enum outcome client_stls(struct session *session, const struct command *command);

/* ---- with the server ---- */

/* Begins TLS with a server just connected, before its greeting, where that is set. */
enum outcome server_tls_implicit(struct session *session);

/* Begins TLS by STLS after the server's greeting, where that is set. */
enum outcome server_stls(struct session *session);

/* ---- for logs ---- */

/* Logs why TLS failed on a stream of the session, if it did. Call it before the stream is closed.
 */
void starttls_log_failure(const struct session *session, const struct stream *stream);

/* "TLSv1.3,CIPHER", or "" in the clear. Returns `text`. */
enum { STARTTLS_TEXT_SIZE = 72 };
const char *starttls_text(const struct tls_facts *facts, char text[STARTTLS_TEXT_SIZE]);

#endif
