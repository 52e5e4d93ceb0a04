/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram of durations in memory that processes share. Its buckets go from 1 ms to 30 s, or are
 * a thousand times as long.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 14 };

/* All zero: empty. */
struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* each duration in one; the last has no bound */
    _Atomic uint64_t sum_us;
};

/* The largest duration of each bucket but the last. */
extern const int64_t histogram_bounds_us[HISTOGRAM_BUCKETS];

/* How much longer the buckets of a histogram are than the bounds above. */
enum histogram_scale { HISTOGRAM_FAST = 1, HISTOGRAM_SLOW = 1000 };

/* Counts one duration; a negative one counts as 0. */
void histogram_add(struct histogram *histogram, enum histogram_scale scale, int64_t duration_us);

#endif
