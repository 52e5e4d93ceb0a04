/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/respawn.h"

#include "base/clock.h"

static const struct back_off_limits limits = {.min_ms = 100, .max_ms = 10000, .forget_ms = 30000};

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct respawn *respawn = timer->data;

    (void)loop;
    (void)events;
    respawn->start();
}

double respawn_later_s(struct respawn *respawn, void (*start)(void))
{
    int64_t pause_ms = back_off_next_ms(&respawn->back_off, &limits, clock_now_ms());

    respawn_cancel(respawn);
    respawn->start = start;
    ev_timer_init(&respawn->timer, on_pause_over, (double)pause_ms / 1e3, 0.0);
    respawn->timer.data = respawn;
    ev_timer_start(EV_DEFAULT, &respawn->timer);
    return (double)pause_ms / 1e3;
}

void respawn_cancel(struct respawn *respawn)
{
    ev_timer_stop(EV_DEFAULT, &respawn->timer);
}
