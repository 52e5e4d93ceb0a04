/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"

bool timers_reserve(struct timers *timers, size_t count)
{
    struct timer **heap;
    size_t room = timers->room == 0 ? 64 : timers->room;

    while (room < count)
        room *= 2;
    if (room == timers->room)
        return true;
    heap = realloc(timers->heap, room * sizeof(*heap));
    if (heap == NULL)
        return false;
    timers->heap = heap;
    timers->room = room;
    return true;
}

static struct timer **at(const struct timers *timers, size_t place)
{
    return &timers->heap[place - 1];
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
    *at(timers, place) = timer;
    timer->place = place;
}

/* Brings a timer up from `place` to where its parent is not later. */
static void rise(struct timers *timers, size_t place, struct timer *timer)
{
    while (place > 1 && (*at(timers, place / 2))->at_ms > timer->at_ms) {
        put(timers, place, *at(timers, place / 2));
        place /= 2;
    }
    put(timers, place, timer);
}

/* Brings a timer down from `place` to where its children are not earlier. */
static void sink(struct timers *timers, size_t place, struct timer *timer)
{
    while (place * 2 <= timers->count) {
        size_t child = place * 2;
        if (child < timers->count && (*at(timers, child + 1))->at_ms < (*at(timers, child))->at_ms)
            child++;
        if ((*at(timers, child))->at_ms >= timer->at_ms)
            break;
        put(timers, place, *at(timers, child));
        place = child;
    }
    put(timers, place, timer);
}

static void settle(struct timers *timers, size_t place, struct timer *timer)
{
    if (place > 1 && (*at(timers, place / 2))->at_ms > timer->at_ms)
        rise(timers, place, timer);
    else
        sink(timers, place, timer);
}

void timer_set(struct timers *timers, struct timer *timer, int64_t at_ms)
{
    timer->at_ms = at_ms;
    if (timer_is_set(timer)) {
        settle(timers, timer->place, timer);
        return;
    }
    assert(timers->count < timers->room);
    timers->count++;
    rise(timers, timers->count, timer);
}

void timer_cancel(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;
    struct timer *last;

    if (!timer_is_set(timer))
        return;
    last = *at(timers, timers->count);
    timers->count--;
    timer->place = 0;
    if (last != timer)
        settle(timers, place, last);
}

int64_t timers_next_ms(const struct timers *timers)
{
    return timers->count == 0 ? CLOCK_NEVER : timers->heap[0]->at_ms;
}

struct timer *timers_take_due(struct timers *timers, int64_t now_ms)
{
    struct timer *first;

    if (timers->count == 0 || timers->heap[0]->at_ms > now_ms)
        return NULL;
    first = timers->heap[0];
    timer_cancel(timers, first);
    return first;
}

void timers_free(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}
