/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of pools, linked by `next`: those of a new configuration, and all of the master's.
 */
#ifndef MASTER_POOL_LIST_H
#define MASTER_POOL_LIST_H

#include "pool/pool.h"

/* Makes a pool for each instance of the configuration. Each has a share in the generation. Returns
 * the list, or NULL with `error` set and none made. */
struct pool *pool_list_new(struct generation *generation, struct error *error);
/* Frees pools that were never started. */
void pool_list_free(struct pool *pools);

/* Starts the pools and puts them at the head of the list. */
void pool_list_start(struct pool **list, struct pool *pools);
/* Frees the pools of the list that do not run any more and whose last process is gone. */
void pool_list_drop_empty(struct pool **list);

void pool_list_for_each(struct pool *pools, void (*act)(struct pool *pool));
/* Counts the workers of all pools, as the service manager is told. */
void pool_list_count(const struct pool *pools, size_t *busy, size_t *idle);

/* The first running pool that never had a worker that could take a connection; NULL: every pool is
 * ready. */
const struct pool *pool_list_unready(const struct pool *pools);

#endif
