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
 * Locks the pidfile and writes our process id to it. A file whose owner is gone is taken over; one
 * that is locked belongs to a running server: -1 with `error` set. A descriptor handed on by an
 * upgrade (PIDFILE_ENVIRONMENT) is used instead of locking anew. `path` is copied.
 */
int pidfile_take(const char *path, struct error *error);
/* Removes the file if it is still ours. */
void pidfile_remove(void);
/* The locked descriptor, or -1. */
int pidfile_descriptor(void);
/* The file belongs to the next binary now. */
void pidfile_hand_on(void);

#define PIDFILE_ENVIRONMENT "POP3_PROXY_PIDFILE_FD"

#endif
