/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks the scoreboards every few milliseconds, because a worker that goes from idle to busy says
 * so there and nowhere else.
 */
#include "master/handover.h"

#include <ev.h>

#include "base/clock.h"

#define TICK_S 0.002

static struct {
    ev_timer tick;
    int64_t deadline_ms;
    struct pool *const *pools;
    handover_done *done;
} handover;

static size_t count_acceptors(void)
{
    size_t count = 0;

    for (const struct pool *pool = *handover.pools; pool != NULL; pool = pool->next)
        if (pool->state != POOL_RUNNING)
            count += pool_count_acceptors(pool);
    return count;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    size_t left = count_acceptors();

    (void)events;
    if (left > 0 && clock_now_ms() < handover.deadline_ms)
        return;
    ev_timer_stop(loop, timer);
    handover.done(left);
}

void handover_begin(struct pool *const *pools, handover_done *done)
{
    if (handover_is_pending())
        return;
    handover.deadline_ms = clock_after_ms(HANDOVER_LIMIT_S * 1000);
    handover.pools = pools;
    handover.done = done;
    ev_timer_init(&handover.tick, on_tick, 0.0, TICK_S);
    ev_timer_start(EV_DEFAULT, &handover.tick);
}

bool handover_is_pending(void)
{
    return ev_is_active(&handover.tick);
}

void handover_cancel(void)
{
    ev_timer_stop(EV_DEFAULT, &handover.tick);
}
