/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's side of the process that checks the servers of groups: its child, which is started
 * again when it dies, and replaced when the configuration has changed.
 */
#ifndef MASTER_CHECKS_H
#define MASTER_CHECKS_H

#include <stdbool.h>
#include <sys/types.h>

#include "config/conf.h"

/* Starts the process, or replaces it; without servers to be checked there is none. `conf` must be
 * valid until the next call. What the checks have found out is in the memory of the groups, and
 * stays. */
void checks_restart(const struct conf *conf);

/* Ends the process. */
void checks_stop(void);

/* Call it for each child that has ended, with its wait status. Returns true if it was this process,
 * which is then started again, after a pause that grows if it keeps dying. */
bool checks_reap(pid_t pid, int wait_status);

#endif
