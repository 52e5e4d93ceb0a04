/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which workers of a pool listen, and which rest.
 */
#ifndef POOL_POOL_REST_H
#define POOL_POOL_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/back_off.h"

struct pool;

/* Part of struct pool, for pool_rest.c alone. */
struct pool_rest {
    size_t listening_most; /* the first so many workers listen; the scoreboard has a copy */
    unsigned polls;        /* since some were last sent to rest */
    uint64_t served;       /* sessions that were over at the last poll */
    double pace;           /* sessions that end between two polls, on average */
    double pace_of_all;    /* the same when all workers last listened */
    struct back_off pause; /* before any is sent again */
};

/* All workers listen again. */
void pool_rest_call_all(struct pool *pool);

/* Whether some rest, or will rest after their session. */
bool pool_rest_has_resting(const struct pool *pool);

/* Twice as many listen from now on, because those that do are too few. For a while, longer each time,
 * none is sent to rest then. */
void pool_rest_call_more(struct pool *pool);

/* Writes again which workers listen, and calls those that rest although they should listen. */
void pool_rest_restore(struct pool *pool);

/* A new observation of the queue begins. `accepted` is how many connections were ever taken. */
void pool_rest_begin(struct pool *pool, uint64_t accepted);

/* To be called at each poll of the queue, before the functions below. The time since the last one is
 * `delay` times POOL_POLL_MS, and at least 1. */
void pool_rest_follow(struct pool *pool, uint64_t accepted, double delay);

/* Whether `polls` without a connection taken is so long that those that listen seem to wait for slow
 * clients: all workers together took several connections in that time. */
bool pool_rest_is_lull(const struct pool *pool, unsigned polls);

/* To be called at each poll at which no processor is idle. Where sessions finish quickly, most
 * workers rest after their session: step by step, until a few for each processor listen. */
void pool_rest_send(struct pool *pool);

#endif
