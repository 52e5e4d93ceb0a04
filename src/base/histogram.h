/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram of durations in memory that processes share. Its buckets go from 1 ms to 30 s.
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

/* Counts one duration; a negative one counts as 0. */
void histogram_add(struct histogram *histogram, int64_t duration_us);

#endif
