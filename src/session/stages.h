/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stages of a session in their order, each in the file of its name. A stage returns
 * OUTCOME_NONE when the session goes on; any other outcome ends it.
 */
#ifndef SESSION_STAGES_H
#define SESSION_STAGES_H

#include "session/session.h"

/* Takes the PROXY header of a load balancer. After it the client's address is known. */
enum outcome identity_run(struct session *session);

/* Asks the pool whether it has room for this client. */
enum outcome admission_run(struct session *session);

/* Begins TLS where it comes before the greeting, and greets. */
enum outcome open_run(struct session *session);

/* Serves USER, PASS, AUTH and what else may come before a login, until the credentials are
 * complete. Runs again if the server has refused a token. */
enum outcome login_run(struct session *session);

/* Asks the pool whether this address may try another login. */
enum outcome attempt_run(struct session *session);

/* Splits the login name into proxy user, user and server, and checks that the server is allowed. */
enum outcome select_run(struct session *session);

/* Part of select_run(), also for a session that ends before it: notes the user for the log. Returns
 * what the login name says of the server, "" if nothing. Call it once for each login. */
const char *select_user(struct session *session);

/* Waits while the operator holds the logins of this user. */
enum outcome hold_run(struct session *session);

/* Asks the routing tables which server has the user's mailbox, unless the client has chosen one. */
enum outcome route_run(struct session *session);

/* Chooses the server where a group has the user's mailbox. */
enum outcome group_run(struct session *session);

/* Asks the acp. */
enum outcome access_run(struct session *session);

/* Connects and logs in. Where a server of a group cannot be reached, tries the next one. */
enum outcome reach_run(struct session *session);

/* Part of reach_run(): connects to the server, whose greeting is still unread then. */
enum outcome connect_run(struct session *session);

/* Part of reach_run(): reads the greeting, logs in at the server, records the client and passes the
 * answer on. */
enum outcome server_login_run(struct session *session);

/* Part of server_login_run(): asks the pool whether this address and this user may have one more
 * session. The server has let the user in, and the client does not know it yet. */
enum outcome admission_log_in(struct session *session);

/* Passes commands and replies until the end. */
enum outcome relay_run(struct session *session);

#endif
