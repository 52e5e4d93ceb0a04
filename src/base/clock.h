/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time. Every deadline in the program is a point on the monotonic clock, in milliseconds: setting
 * the wall clock neither cuts a session nor makes it last for ever.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* A deadline that never comes, and one that has passed already: try once, do not sleep. */
#define CLOCK_NEVER  INT64_MAX
#define CLOCK_PASSED INT64_MIN

/* Milliseconds on the monotonic clock. */
int64_t clock_now_ms(void);

/* Microseconds on the same clock, for durations that are shorter. */
int64_t clock_now_us(void);

/* Seconds since 1970 on the wall clock, for people and other programs. */
int64_t clock_wall_s(void);

/* The earlier of two deadlines. */
static inline int64_t clock_earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* The deadline `duration_ms` from now. */
static inline int64_t clock_after_ms(int64_t duration_ms)
{
    return clock_now_ms() + duration_ms;
}

#endif
