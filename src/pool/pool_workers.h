/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processes of a pool. What is to be done about a fork that fails is decided above, in
 * pool_size.
 */
#ifndef POOL_POOL_WORKERS_H
#define POOL_POOL_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "pool/scoreboard.h"

struct pool;

/* Forks up to `count` workers, as many as there are slots for. Returns how many were forked: fewer,
 * with errno set, when a fork failed. */
size_t pool_fork_workers(struct pool *pool, size_t count);

/* Forks the helper. Returns 0, or -1 with errno set: the pool then has none. */
int pool_fork_helper(struct pool *pool);

/* Whether the worker with this index has a process. */
bool pool_has_process(const struct pool *pool, size_t index);

/* The index of the worker whose process this is; worker_count when there is none. */
size_t pool_find_worker(const struct pool *pool, pid_t pid);

/* The worker's process has ended: gives back what its sessions held and frees its slots. */
void pool_clear_worker(struct pool *pool, size_t index);

/* Send a signal: to the worker with this index if it has a process, to the worker whose session
 * has this slot, to all workers. */
void pool_signal(const struct pool *pool, size_t index, int number);
void pool_signal_session(const struct pool *pool, const struct scoreboard_slot *slot, int number);
void pool_signal_all(const struct pool *pool, int number);

/* In a pool that takes no more connections and has lost its last worker: closes the way to the
 * helper, which then leaves, or kills it if the grace time is over. */
void pool_dismiss_helper(struct pool *pool);

#endif
