/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a UNIX daemon does: it goes to the background and keeps a pidfile.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include "base/error.h"

/*
 * Detaches from the terminal. Returns in the child only: the parent waits for daemon_ready() and
 * exits with 0, or with the child's code if the child ends before. Returns 0, or -1 with `error`
 * set.
 */
int daemon_detach(struct error *error);
/* Lets the waiting parent exit, if there is one. */
void daemon_ready(void);

/*
 * Prepares the pidfile `path` (NULL: none; the text is copied) for pidfile_commit(). A file other
 * than the current one is locked and gets our process id. A file that nobody has locked is taken
 * over; one that is locked belongs to a running server: -1 with `error` set. A file that the
 * previous binary has passed on remains the previous binary's until the commit. Returns 0, or -1.
 */
int pidfile_prepare(const char *path, struct error *error);
/* Puts the prepared file in force and removes the old one, if it is another. */
void pidfile_commit(void);
/* Removes the prepared file. */
void pidfile_forget(void);
/* Removes the file if it is still ours. */
void pidfile_remove(void);
/* In the process that is about to become the next binary: passes the locked file on to it. */
void pidfile_pass(void);
/* Gives the file up, because it belongs to the next binary now. */
void pidfile_hand_on(void);

#endif
