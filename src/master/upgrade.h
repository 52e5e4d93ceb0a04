/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacing the binary under running connections (USR2): the new one is started on the same
 * listening sockets, and only when it says that it is ready does the old one drain.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

/* Remembers how this process was started: the program's path and its arguments. Call before the
 * working directory changes. */
void upgrade_remember(char *const argv[]);

/* Started by an upgrade: there is a process to be told when we are ready. */
bool upgrade_is_successor(void);
/* Tells it. Harmless otherwise. */
void upgrade_ready(void);

/*
 * Starts the new binary. `done` is called once: with true when it is ready and this process may
 * drain, with false when it ended or never came up. Returns its process id, or -1 (logged).
 */
typedef void upgrade_done(bool is_ready);
pid_t upgrade_start(struct ev_loop *loop, upgrade_done *done);
/* This process is to end before the new one has answered: kills that; `done` is not called. */
void upgrade_cancel(void);

#endif
