/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unix conventions of a server: going to the background, and the pidfile.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include "base/error.h"

/*
 * Detaches from the terminal: returns in the child only. The parent waits until daemon_ready() and
 * exits 0, or exits with the child's code when that ends before. Returns 0, or -1 with `error`.
 */
int daemon_detach(struct error *error);
/* Lets the waiting parent go. Harmless without one. */
void daemon_ready(void);

/*
 * What pidfile_commit() is to put into force: the file `path`, which is copied, or none for NULL. A
 * new one is locked and our process id written to it. A file whose owner is gone is taken over; one
 * that is locked belongs to a running server: -1 with `error` set. A file that the previous binary
 * has passed on remains the previous binary's until the commit.
 */
int pidfile_prepare(const char *path, struct error *error);
/* Removes the old one if it is another. */
void pidfile_commit(void);
/* Removes what was prepared. */
void pidfile_forget(void);
/* Removes the file if it is still ours. */
void pidfile_remove(void);
/* In the process that is about to become the next binary: passes the locked file on to it. */
void pidfile_pass(void);
/* The file belongs to the next binary now. */
void pidfile_hand_on(void);

#endif
