/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long connections wait in the queue of the listening socket.
 *
 * A worker learns it from the kernel when it has accepted a connection (listener_waited_ms). But
 * when all places are taken for long, nobody accepts; and the kernel does not say how long the
 * first one in the queue has waited. The master then counts: the queue is first in, first out, so
 * a connection that was there queue_timeout ago has had to wait so long if fewer were taken since.
 * Those are turned away. Between queue_timeout and an eighth more passes before the master knows it.
 * Of a UNIX socket only the first connection in the queue is known.
 */
#ifndef POOL_POOL_QUEUE_H
#define POOL_POOL_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct pool;

enum {
    POOL_QUEUE_STEPS = 8, /* samples in the time of queue_timeout */
    POOL_QUEUE_SAMPLES = 2 * POOL_QUEUE_STEPS,
};

/* Part of struct pool, for pool_queue.c alone. */
struct pool_queue {
    struct {
        int64_t at_ms;
        uint64_t arrived; /* connections, those that waited then included */
    } samples[POOL_QUEUE_SAMPLES];
    size_t sample_count; /* ever taken since the observation began */
    int64_t next_at_ms;
    uint64_t turned_away; /* since the pool was made */
};

/* A new observation begins: what waits now is taken to have come now. */
void pool_queue_begin(struct pool *pool);

/* To be called at each poll while no worker is idle, with the connections that wait. Answers those
 * that have waited too long: -ERR [SYS/TEMP], or nothing where TLS would have to come first. */
void pool_queue_check(struct pool *pool, size_t queue);

#endif
