/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which workers of a pool listen. With all processors busy and sessions that finish quickly, a few
 * workers whose memory is in the caches serve more than many that take turns: all they do is done
 * sooner, and the connections wait in the queue rather than in half-served sessions. So then the
 * others rest; they are called back when the queue stands still or a processor is idle.
 *
 * Only while the master looks at the queue anybody rests, so no connection waits for a worker that
 * nobody would call.
 */
#include "pool/pool.h"

enum {
    LISTENING_A_PROCESSOR = 4, /* always: with fewer it waits for them at times */
    REST_LOOKS = 10,           /* before the next, to see what came of the last */
    QUICK_LOOKS = 60,          /* sessions that last no longer on average finish quickly */
};

static size_t listening(const struct pool *pool)
{
    size_t most = atomic_load(&pool->scoreboard->listening_most);

    return most < pool->alive ? most : pool->alive;
}

static void let_listen(struct pool *pool, size_t most)
{
    size_t before = atomic_exchange(&pool->scoreboard->listening_most, most);

    for (size_t i = before; i < most && i < pool->workers_end; i++)
        if (atomic_load(&pool_worker_slot(pool, i)->state) == SCOREBOARD_RESTING)
            scoreboard_call(pool_worker_slot(pool, i));
}

void pool_call_all(struct pool *pool)
{
    let_listen(pool, pool->worker_count);
}

bool pool_has_resting(const struct pool *pool)
{
    return listening(pool) < pool->alive;
}

void pool_call_more(struct pool *pool)
{
    let_listen(pool, 2 * listening(pool));
}

/* If all that listen are busy, their number and the pace tell how long a session lasts. */
static bool are_sessions_quick(const struct pool *pool)
{
    return (double)listening(pool) < QUICK_LOOKS * pool->slow_pace;
}

void pool_send_to_rest(struct pool *pool)
{
    size_t least = LISTENING_A_PROCESSOR * cpu_idle_processors();
    size_t quarter = listening(pool) / 4;

    if (++pool->rest_looks < REST_LOOKS || pool->places > 1 || listening(pool) <= least ||
        !are_sessions_quick(pool))
        return;
    pool->rest_looks = 0;
    let_listen(pool, quarter > least ? quarter : least);
}
