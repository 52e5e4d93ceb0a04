/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a process makes a child, and what the child does first: it gives up its parent's signals,
 * descriptors and rights, in this order.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum { CHILD_KEPT_MAX = 8, CHILD_END_SIZE = 32 };

/*
 * Forks, with all signals blocked in the child: until the child has handlers of its own, a signal
 * would run the parent's. Returns as fork() does. The child must set its signal mask itself.
 */
pid_t child_fork(void);

/*
 * For a child that goes on in this program. Ignores the signals that a terminal, a supervisor or an
 * operator sends, as they are the master's business, and SIGPIPE and SIGXFSZ, which the failing
 * call reports. The `count` signals in `own` and all others get their default action: a signal of
 * its own that is blocked and has come already is not lost. The signal mask stays: set the child's
 * handlers, then its mask.
 */
void child_reset_signals(const int *own, size_t count);

/* For a child that becomes another program: every signal gets its default action, none is
 * blocked. */
void child_restore_signals(void);

/* Closes all descriptors but the `count` ones in `keep` (at most CHILD_KEPT_MAX; -1 among them is
 * ignored) and those of the log. 0, 1 and 2 become /dev/null, except where one of them is the log's. */
void child_drop_descriptors(const int *keep, size_t count);

/*
 * The rights of a process that reads from the network: enters `chroot` (NULL: none), becomes `uid`
 * and `gid` for good where it is root, and loses what sandbox_enter() takes from every process. The
 * sandbox itself comes later, when nothing has to be opened any more. Returns 0, or -1 with `error`
 * set: the caller must then end the process.
 */
int child_drop_rights(const char *chroot, uid_t uid, gid_t gid, struct error *error);

/* How a child has ended, by its wait status: "signal 9" or "exit status 1". Returns `text`. */
const char *child_end_text(int wait_status, char text[CHILD_END_SIZE]);

#endif
