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

/* Tells the previous binary, if there is one, that this one is ready, and calls `gone` when it has
 * ended. */
void upgrade_ready(void (*gone)(void));
/* The process before us lets its last sessions finish. */
bool upgrade_has_predecessor(void);
/* Tells it to end them now. */
void upgrade_stop_predecessor(void);
/* It is not waited for any more. */
void upgrade_forget_predecessor(void);

enum upgrade_event {
    UPGRADE_READY,  /* the new binary serves: this process may drain */
    UPGRADE_FAILED, /* it ended or never came up */
    UPGRADE_STOP,   /* after UPGRADE_READY: it was told to stop, and so is this process */
};

typedef void upgrade_told(enum upgrade_event event);
/* Passes on what the new binary inherits, by inherit_pass(); called in the process that is about
 * to become the new binary. */
typedef void upgrade_pass(void);
/* Starts the new binary. It is not a child of this process, so that the service manager that
 * supervises this one supervises it too. Returns 0, or -1 after logging why there is none. */
int upgrade_start(struct ev_loop *loop, upgrade_pass *pass, upgrade_told *told);
/* Has it reload, if it is there still: from UPGRADE_READY on, when it hears signals. */
void upgrade_reload_successor(void);
/* This process is to end before the new one has answered: kills that; nothing is told. */
void upgrade_cancel(void);

#endif
