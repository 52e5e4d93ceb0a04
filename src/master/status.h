/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Showing what goes on: a process of its own, without privileges, that reads the shared memory and
 * serves the control socket and the metrics. The master stays out of every conversation.
 */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include <stdbool.h>
#include <sys/types.h>

#include "config/conf.h"
#include "master/pool.h"

/* Starts the process, or replaces it after a reload: it shows the pools as they are now. Does
 * nothing where neither `control` nor `metrics_listen` is set. Failures are logged. */
void status_restart(struct pool *pools, const struct conf *conf);

/* A child has ended: true if it was the status process, which is then started again. */
bool status_reap(pid_t pid);

/* Ends it and removes the control socket. */
void status_stop(void);

#endif
