/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the master makes children.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <sys/types.h>

/*
 * Forks with every signal held back in the child until it has handlers of its own: the master's
 * would tell the master. Returns as fork() does; the child must set the signal mask itself.
 */
pid_t fork_quietly(void);

#endif
