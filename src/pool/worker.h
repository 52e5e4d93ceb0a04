/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: takes connections from the pool's socket, one at a time, and serves each to its end.
 */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include "pool/pool.h"

/* What the master says to a worker. */
enum {
    WORKER_SIGNAL_RETIRE = SIGUSR1, /* leave, after the session if there is one */
    WORKER_SIGNAL_STOP = SIGTERM,   /* end the session and leave */
    WORKER_SIGNAL_SHED = SIGUSR2,   /* end the session named in the slot, unless it has logged in */
};

/* The life of a worker in the slot. Called in a fresh child; returns its exit code. */
int worker_run(struct pool *pool, struct scoreboard_slot *slot);

#endif
