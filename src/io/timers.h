/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Points in time at which something is to be looked at, the earliest first: a binary heap.
 *
 * Made for deadlines that move later all the time. Who has such a deadline leaves the timer where
 * it is, looks when it fires whether it is time yet, and sets it anew if not: so a read or a write
 * costs nothing here.
 */
#ifndef IO_TIMERS_H
#define IO_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Part of what it belongs to. All zero: not set. */
struct timer {
    int64_t at_ms;
    size_t place; /* in the heap, from 1; 0 while not set */
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t room;
};

static inline bool timer_is_set(const struct timer *timer)
{
    return timer->place != 0;
}

/* Makes room for `count` timers set at the same time, so that timer_set() cannot fail. Returns
 * whether there is memory. */
bool timers_reserve(struct timers *timers, size_t count);

/* Sets the timer, or moves it. */
void timer_set(struct timers *timers, struct timer *timer, int64_t at_ms);

/* Takes it out; nothing happens to one that is not set. */
void timer_cancel(struct timers *timers, struct timer *timer);

/* The earliest timer's time; CLOCK_NEVER when none is set. */
int64_t timers_next_ms(const struct timers *timers);

/* Takes out the earliest timer if it is due at `now_ms`, else returns NULL. */
struct timer *timers_take_due(struct timers *timers, int64_t now_ms);

void timers_free(struct timers *timers);

#endif
