/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slots of one worker stand side by side: its own first, then those of its places if it has
 * several. The shape comes from the configuration and the master keeps it in memory of its own:
 * what workers write is never an index.
 */
#include "pool/pool_slots.h"

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

struct scoreboard_slot *pool_worker_slot(const struct pool *pool, size_t index)
{
    return &pool->scoreboard->slots[index * pool->worker_slots];
}

size_t pool_worker_of(const struct pool *pool, const struct scoreboard_slot *slot)
{
    return (size_t)(slot - pool->scoreboard->slots) / pool->worker_slots;
}

/* A place that was never used is skipped: reading its slot would make the kernel give it memory. */
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
        size_t index = *at / pool->worker_slots;
        size_t place = *at % pool->worker_slots;
        struct scoreboard_slot *slot =
            pool_next_place(pool, pool_worker_slot(pool, index), &place);

        *at = slot == NULL || pool->places == 1 ? (index + 1) * pool->worker_slots
                                                : index * pool->worker_slots + place;
        if (slot != NULL)
            return slot;
    }
    return NULL;
}

size_t pool_count_state(const struct pool *pool, enum scoreboard_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < pool->workers_end; i++)
        count += scoreboard_state(pool_worker_slot(pool, i)) == state;
    return count;
}
