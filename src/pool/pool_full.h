/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling people that the pool is full: all places are taken, it may not grow, and connections wait.
 */
#ifndef POOL_POOL_FULL_H
#define POOL_POOL_FULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

/* Part of struct pool, for pool_full.c alone. */
struct pool_full {
    int64_t since_ms; /* 0: the pool is not full */
    int64_t told_ms;  /* when a line last said that it is; 0: never */
    bool is_told;     /* a line has said so since since_ms */
};

/* The pool is full, and so many connections wait. If it stays so, the log says it, at most once a
 * minute. */
void pool_full_goes_on(struct pool *pool, size_t queue);

/* The pool is not full any more. If the log has said that it was, it says that too. */
void pool_full_is_over(struct pool *pool);

#endif
