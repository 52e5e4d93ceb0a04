/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long to pause before the next try of something that keeps failing: twice as long each time,
 * up to a limit. Once nothing has failed for a while, the next pause is short again.
 */
#ifndef BASE_BACK_OFF_H
#define BASE_BACK_OFF_H

#include <stdint.h>

/* The shortest and the longest pause, and how long after a pause the next failure counts as a
 * first one. */
struct back_off_limits {
    int64_t min_ms;
    int64_t max_ms;
    int64_t forget_ms;
};

/* All zero: nothing has failed yet. */
struct back_off {
    int64_t pause_ms;   /* the last one */
    int64_t over_at_ms; /* when it ends, on the monotonic clock */
};

/* Call it at each failure. Returns how long to pause from `now_ms` (of clock_now_ms()) on. */
int64_t back_off_next_ms(struct back_off *back_off, const struct back_off_limits *limits,
                         int64_t now_ms);

#endif
