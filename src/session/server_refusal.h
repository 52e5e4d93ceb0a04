/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that refuses the login, and what the client is told of it.
 */
#ifndef SESSION_SERVER_REFUSAL_H
#define SESSION_SERVER_REFUSAL_H

#include "session/server_line.h"
#include "session/session.h"

/*
 * Tells the client that the server has refused the login by this reply, which stays in the server's
 * input for the log. A line with a response code is passed on. Without one the words decide
 * (pop3/refusal_words.def, the setting server_words), or it is "-ERR [AUTH] bad login", as it
 * always is for a refused user name. Returns how the session ends: LOGIN_REFUSED, or
 * LOGIN_UNAVAILABLE if the credentials may be right.
 */
enum outcome server_refusal_say(struct session *session, const struct server_reply *reply);

/* Whether the server refuses the login because another session has the mailbox: by the response code
 * IN-USE or, without a code, by its words. */
bool server_refusal_is_in_use(const struct session *session, const struct server_reply *reply);

/*
 * Copies the response code of the words that server_words() has copied, for the log: the server's
 * own, or the one that we have given to a refused login; else "". Returns `code`.
 */
const char *server_refusal_code(const struct session *session, const char *words,
                                char code[SESSION_CODE_SIZE]);

#endif
