/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a pool's scoreboard is divided: which slots are a worker's, which a session's.
 */
#ifndef POOL_POOL_SLOTS_H
#define POOL_POOL_SLOTS_H

#include <stddef.h>

#include "pool/scoreboard.h"

struct pool;

/* Sets the shape of the scoreboard, which lies where workers cannot change it, and makes the
 * scoreboard and the table of the workers' processes. Returns 0, or -1 when there is no memory. */
int pool_make_slots(struct pool *pool);
void pool_free_slots(struct pool *pool);

/* How many slots there are in all. */
size_t pool_slot_count(const struct pool *pool);

/* A worker's own slot; `index` is below worker_count. */
struct scoreboard_slot *pool_worker_slot(const struct pool *pool, size_t index);

/* The index of the worker that has this slot, as its own or for one of its sessions. */
size_t pool_worker_of(const struct pool *pool, const struct scoreboard_slot *slot);

/* Goes through the slots that sessions may be in: those of the worker with this slot, or those of
 * all workers. Begin with *at 0; NULL after the last. */
struct scoreboard_slot *pool_next_place(const struct pool *pool, struct scoreboard_slot *worker,
                                        size_t *at);
struct scoreboard_slot *pool_next_session(const struct pool *pool, size_t *at);

/* How many workers are in this state. */
size_t pool_count_state(const struct pool *pool, enum scoreboard_state state);

#endif
