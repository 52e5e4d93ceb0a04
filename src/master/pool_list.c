/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New pools are put first, so that a list goes from the newest configuration to the oldest.
 */
#include "master/pool_list.h"

#include <stdatomic.h>

#include "pool/pool_slots.h"
#include "pool/scoreboard.h"

struct pool *pool_list_new(struct generation *generation, struct error *error)
{
    struct pool *pools = NULL;

    for (size_t i = 0; i < generation->conf.count; i++) {
        struct pool *pool = pool_new(generation, &generation->conf.instances[i], error);

        if (pool == NULL) {
            pool_list_free(pools);
            return NULL;
        }
        pool->next = pools;
        pools = pool;
    }
    return pools;
}

void pool_list_free(struct pool *pools)
{
    while (pools != NULL) {
        struct pool *next = pools->next;

        pool_free(pools);
        pools = next;
    }
}

void pool_list_start(struct pool **list, struct pool *pools)
{
    struct pool **end = &pools;

    for (struct pool *pool = pools; pool != NULL; pool = pool->next)
        pool_start(pool);
    while (*end != NULL)
        end = &(*end)->next;
    *end = *list;
    *list = pools;
}

void pool_list_drop_empty(struct pool **list)
{
    while (*list != NULL) {
        struct pool *pool = *list;

        if (pool->state == POOL_RUNNING || !pool_is_empty(pool)) {
            list = &pool->next;
            continue;
        }
        *list = pool->next;
        pool_free(pool);
    }
}

void pool_list_for_each(struct pool *pools, void (*act)(struct pool *pool))
{
    for (; pools != NULL; pools = pools->next)
        act(pools);
}

void pool_list_count(const struct pool *pools, size_t *busy, size_t *idle)
{
    *busy = *idle = 0;
    for (; pools != NULL; pools = pools->next) {
        *busy += pool_count_state(pools, SCOREBOARD_BUSY);
        *idle +=
            pool_count_state(pools, SCOREBOARD_IDLE) + pool_count_state(pools, SCOREBOARD_RESTING);
    }
}

static bool has_worker(const struct pool *pool)
{
    return pool->state != POOL_RUNNING || scoreboard_idle(pool->scoreboard) > 0 ||
           atomic_load(&pool->scoreboard->accepted) > 0;
}

const struct pool *pool_list_unready(const struct pool *pools)
{
    while (pools != NULL && has_worker(pools))
        pools = pools->next;
    return pools;
}
