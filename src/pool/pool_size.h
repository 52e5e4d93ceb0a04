/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many workers a pool has: the policy, and what to do about a fork that fails.
 */
#ifndef POOL_POOL_SIZE_H
#define POOL_POOL_SIZE_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

#include "base/back_off.h"
#include "base/cpu_idle.h"

struct pool;

enum {
    POOL_POLL_MS = 5,       /* between two polls of a queue that may stall */
    POOL_SHRINK_CHECKS = 5, /* a second apart */
};

/* Part of struct pool, for pool_size.c alone. */
struct pool_size {
    ev_io notified;    /* a worker has taken the last idle place, or leaves */
    ev_io waiting;     /* a connection waits while no worker is idle */
    ev_timer poll;     /* polls the queue while it may stall */
    ev_timer shrink;   /* retires surplus workers */
    ev_timer throttle; /* runs while forking is paused */
    ev_timer check;    /* mends what a broken worker may have changed */
    struct back_off pause;

    size_t unused[POOL_SHRINK_CHECKS]; /* workers without a session at each; 0 where it has grown */
    size_t shrink_checks;

    int64_t polled_ms; /* when the queue was last polled */
    uint64_t accepted_before;
    double pace;        /* connections taken between two polls, on average */
    double slow_pace;   /* the same over a longer time */
    unsigned made_room; /* sessions shed at the last poll */
    unsigned still_polls; /* since a connection was last taken */
    unsigned calm_polls;  /* since the queue last stalled */
    unsigned trial_polls; /* since the pool grew without idle processors */
    double pace_before_trial; /* slow_pace then; 0: it has not grown so */
    struct cpu_idle cpu;
};

/* Set up and end the watchers that steer the size. */
void pool_size_init(struct pool *pool);
void pool_size_start(struct pool *pool);
void pool_size_stop(struct pool *pool);

/* Starts the helper. If that fails, forking pauses, and the helper is started after the pause. */
void pool_size_start_helper(struct pool *pool);

/* Brings the pool back to the number of workers kept ready, unless forking is paused. */
void pool_size_refill(struct pool *pool);

/* A process has died right after its start: pauses forking, longer each time. Logged, with `why`,
 * when the pause grows. */
void pool_size_throttle(struct pool *pool, const char *why);

/* The same after a worker that could not start: workers are then tried one at a time, until one
 * could. */
void pool_size_fail_start(struct pool *pool);

/* A worker has died without counting itself out: corrects the count of idle workers. */
void pool_size_recount(struct pool *pool);

#endif
