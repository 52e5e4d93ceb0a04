/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which workers of a pool listen, and which rest.
 */
#ifndef POOL_POOL_REST_H
#define POOL_POOL_REST_H

#include <stdbool.h>
#include <stddef.h>

struct pool;

/* Part of struct pool, for pool_rest.c alone. */
struct pool_rest {
    size_t listening_most; /* the first so many workers listen; the scoreboard has a copy */
    unsigned polls;        /* since some were last sent to rest */
};

/* All workers listen again. */
void pool_rest_call_all(struct pool *pool);

/* Whether some rest, or will rest after their session. */
bool pool_rest_has_resting(const struct pool *pool);

/* Twice as many listen from now on. */
void pool_rest_call_more(struct pool *pool);

/* Writes again which workers listen, and calls those that rest although they should listen. */
void pool_rest_restore(struct pool *pool);

/* A new observation of the queue begins. */
void pool_rest_begin(struct pool *pool);

/* To be called at each poll of the queue at which no processor is idle; `pace` is how many
 * connections are taken between two polls. Where sessions finish quickly, most workers rest after
 * their session: step by step, until a few for each processor listen. */
void pool_rest_send(struct pool *pool, double pace);

#endif
