/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: a process without rights that takes connections from the pool's socket and serves a
 * session over each, one after the other or many at once.
 */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include <signal.h>

#include "pool/scoreboard.h"

struct pool;

/* What the master tells a worker to do. */
enum {
    WORKER_SIGNAL_RETIRE = SIGUSR1, /* leave; first serve the session to its end, if there is one */
    WORKER_SIGNAL_STOP = SIGTERM,   /* end all sessions and leave */
    WORKER_SIGNAL_SHED = SIGUSR2,   /* end sessions that are marked in their slots; see place_is_told() */
};

/* Runs a worker in this slot. Call it in a fresh child of the master; returns its exit code. */
int worker_run(struct pool *pool, struct scoreboard_slot *slot);

#endif
