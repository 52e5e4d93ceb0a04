/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a pool's scoreboard is laid out: which slots are a worker's, which a session's. What workers
 * have written is never trusted as an index, nor as the number of a process: root signals what
 * stands in memory of the master's own.
 */
#include <signal.h>

#include "base/shared.h"
#include "pool/pool.h"

_Static_assert(sizeof(struct scoreboard_slot) == CONF_SLOT_BYTES, "the warning is true");

static size_t pids_size(const struct pool *pool)
{
    return pool->worker_count * sizeof(pool->pids[0]);
}

int pool_make_slots(struct pool *pool)
{
    struct conf_pool_shape shape = conf_pool_shape(pool->instance->values);

    pool->places = shape.places;
    pool->worker_slots = shape.worker_slots;
    pool->worker_count = shape.worker_count;
    pool->scoreboard = scoreboard_new(pool_slot_count(pool));
    pool->pids = unshared_new(pids_size(pool));
    return pool->scoreboard == NULL || pool->pids == NULL ? -1 : 0;
}

void pool_free_slots(struct pool *pool)
{
    scoreboard_free(pool->scoreboard, pool_slot_count(pool));
    shared_free(pool->pids, pids_size(pool));
}

size_t pool_slot_count(const struct pool *pool)
{
    return pool->worker_count * pool->worker_slots;
}

struct scoreboard_slot *pool_worker_slot(const struct pool *pool, size_t i)
{
    return &pool->scoreboard->slots[i * pool->worker_slots];
}

bool pool_has_process(const struct pool *pool, size_t i)
{
    return pool->pids[i] != 0;
}

void pool_signal(const struct pool *pool, size_t i, int number)
{
    if (pool_has_process(pool, i))
        kill(pool->pids[i], number);
}

void pool_signal_place(const struct pool *pool, const struct scoreboard_slot *slot, int number)
{
    pool_signal(pool, (size_t)(slot - pool->scoreboard->slots) / pool->worker_slots, number);
}

/* Those that were never used are left alone: looking at one would cost memory. */
struct scoreboard_slot *pool_next_place(const struct pool *pool, struct scoreboard_slot *worker,
                                        size_t *at)
{
    if (pool->places == 1)
        return (*at)++ == 0 ? worker : NULL;
    if (*at >= pool->places || *at >= atomic_load(&worker->slots_used))
        return NULL;
    return &worker[++*at];
}

struct scoreboard_slot *pool_next_session(const struct pool *pool, size_t *at)
{
    while (*at < pool->workers_end * pool->worker_slots) {
        size_t i = *at / pool->worker_slots;
        size_t place = *at % pool->worker_slots;
        struct scoreboard_slot *slot = pool_next_place(pool, pool_worker_slot(pool, i), &place);

        *at = slot == NULL || pool->places == 1 ? (i + 1) * pool->worker_slots
                                                : i * pool->worker_slots + place;
        if (slot != NULL)
            return slot;
    }
    return NULL;
}
