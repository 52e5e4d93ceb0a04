/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session and its group of servers: which server it takes, what it claims there, and what it found
 * out about it. Every function does nothing for a session whose server is of no group.
 */
#ifndef SESSION_GROUP_H
#define SESSION_GROUP_H

#include "session/session.h"

/*
 * Claims the chosen server, or another one if that has no room left; waits for the turn where
 * many log in there. OUTCOME_NONE, GROUP_FULL, GROUP_BUSY or STOPPED.
 */
enum outcome group_begin_try(struct session *session);

/* Gives back what the session has claimed. */
void group_let_go(struct session *session);

/* The server has taken the login, or refused it. */
void group_note_answer(struct session *session, enum outcome outcome);

/*
 * The try has ended with `outcome`. Notes a failure of the server, and finds the next one if the
 * login may be tried there: the failure is the server's, and no login has been sent to it. Returns
 * false where there is none.
 */
bool group_find_next(struct session *session, enum outcome outcome, size_t *next_r);

/* How long to try again while the mailbox is in use at the server. */
int32_t group_in_use_wait_ms(const struct session *session);

/* The session takes this server of its group. */
void group_take(struct session *session, size_t server);

#endif
