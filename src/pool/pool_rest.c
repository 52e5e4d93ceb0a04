/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * With all processors busy and sessions that finish quickly, a few workers whose memory is in the
 * caches serve more than many that take turns: each session is done sooner, and connections wait in
 * the queue rather than in half-served sessions. So the other workers rest then. They are called
 * back when the queue stands still or a processor is idle.
 *
 * Workers rest only while the master polls the queue, so no connection waits for a worker that
 * nobody would call.
 */
#include "pool/pool_rest.h"

#include "base/clock.h"
#include "base/cpu_idle.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"

enum {
    LISTENING_A_PROCESSOR = 4, /* always: with fewer, the processor sometimes waits for them */
    REST_POLLS = 10,           /* before more are sent, to see what came of the last ones */
    PACE_POLLS = 20,           /* over which the pace is an average */
    LULL_SESSIONS = 6,         /* it is a lull when so many would have been served at the pace of all */
    QUICK_POLLS = 200,         /* a session that lasts no longer on average finishes quickly */
};

/* Where too few listened, it is not tried again at once. */
static const struct back_off_limits after_call = {
    .min_ms = 500, .max_ms = 30000, .forget_ms = 5000};

static size_t listening(const struct pool *pool)
{
    return pool->rest.listening_most < pool->alive ? pool->rest.listening_most : pool->alive;
}

/* One whose state is no state may rest as well: a broken worker has written there. */
static bool may_rest(const struct scoreboard_slot *slot)
{
    enum scoreboard_state state = scoreboard_state(slot);

    return state == SCOREBOARD_RESTING || state == SCOREBOARD_STATE_COUNT;
}

static void let_listen(struct pool *pool, size_t most)
{
    pool->rest.listening_most = most;
    atomic_store(&pool->scoreboard->listening_most, most);
    for (size_t i = 0; i < most && i < pool->workers_end; i++)
        if (may_rest(pool_worker_slot(pool, i)))
            scoreboard_call(pool_worker_slot(pool, i));
}

void pool_rest_call_all(struct pool *pool)
{
    let_listen(pool, pool->worker_count);
}

bool pool_rest_has_resting(const struct pool *pool)
{
    return listening(pool) < pool->alive;
}

void pool_rest_call_more(struct pool *pool)
{
    int64_t now_ms = clock_now_ms();

    if (now_ms >= pool->rest.pause.over_at_ms)
        (void)back_off_next_ms(&pool->rest.pause, &after_call, now_ms);
    let_listen(pool, 2 * listening(pool));
}

void pool_rest_restore(struct pool *pool)
{
    let_listen(pool, pool->rest.listening_most);
}

static uint64_t served(const struct pool *pool, uint64_t accepted)
{
    return accepted - pool_count_state(pool, SCOREBOARD_BUSY);
}

void pool_rest_begin(struct pool *pool, uint64_t accepted)
{
    pool->rest.polls = 0;
    pool->rest.pace = 0;
    pool->rest.served = served(pool, accepted);
}

void pool_rest_follow(struct pool *pool, uint64_t accepted, double delay)
{
    struct pool_rest *rest = &pool->rest;
    uint64_t now = served(pool, accepted);

    rest->pace += ((double)(int64_t)(now - rest->served) / delay - rest->pace) / PACE_POLLS;
    rest->served = now;
    if (!pool_rest_has_resting(pool))
        rest->pace_of_all = rest->pace;
}

bool pool_rest_is_lull(const struct pool *pool, unsigned polls)
{
    return polls >= QUICK_POLLS || polls * pool->rest.pace_of_all >= LULL_SESSIONS;
}

/* If all that listen are busy, their number and the pace tell how long a session lasts. */
static bool are_sessions_quick(const struct pool *pool)
{
    return (double)listening(pool) < QUICK_POLLS * pool->rest.pace;
}

void pool_rest_send(struct pool *pool)
{
    size_t least = LISTENING_A_PROCESSOR * cpu_idle_processors();
    size_t quarter = listening(pool) / 4;

    if (++pool->rest.polls < REST_POLLS || pool->places > 1 || listening(pool) <= least ||
        !are_sessions_quick(pool) || clock_now_ms() < pool->rest.pause.over_at_ms)
        return;
    pool->rest.polls = 0;
    let_listen(pool, quarter > least ? quarter : least);
}
