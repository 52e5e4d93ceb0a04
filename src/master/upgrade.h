/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An upgrade (USR2): the new binary is started on the same listening sockets while the old one goes
 * on. The old one drains only after the new one has said that it is ready.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "master/successor.h"

/* Tells the previous binary, if there is one, that this one is ready, and calls `gone` when it has
 * ended. */
void upgrade_ready(void (*gone)(void));
/* Whether the previous binary is still there: it lets its last sessions finish. */
bool upgrade_has_predecessor(void);
/* Tells the previous binary that the operator ends some of its sessions. Returns whether there is
 * one. */
bool upgrade_tell_predecessor(void);
/* Tells the previous binary to end them now. */
void upgrade_stop_predecessor(void);
/* Waits for the previous binary no more. */
void upgrade_forget_predecessor(void);

enum upgrade_event {
    UPGRADE_READY,  /* the new binary serves: this process may drain */
    UPGRADE_FAILED, /* it has ended, or was not ready in time and is killed */
    UPGRADE_ORDERS, /* after UPGRADE_READY: the operator ends sessions that this process may have */
    UPGRADE_STOP,   /* after UPGRADE_READY: it was told to stop, so this process must stop too */
};

/* `why`, after UPGRADE_FAILED: what became of the new binary, "exited with status 78: its words".
 */
typedef void upgrade_told(enum upgrade_event event, const char *why);
/* Starts the new binary and passes on what it inherits. Returns 0, or -1 after logging why there is
 * none. */
int upgrade_start(struct ev_loop *loop, successor_pass *pass, upgrade_told *told);
/* Call it for each child that has ended. Returns true if it was the starter of the new binary. */
bool upgrade_reap(pid_t pid);
/* Tells the new binary to reload, if it has not ended. Only after UPGRADE_READY: before that it may
 * not handle signals yet. */
void upgrade_reload_successor(void);
/* Kills a new binary that is not ready yet, because this process ends; no event is told. */
void upgrade_cancel(void);

#endif
