/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bounds are those that people use with Prometheus, up to the limits of a login.
 */
#include "base/histogram.h"

const int64_t histogram_bounds_us[HISTOGRAM_BUCKETS] = {
    1000,   2500,   5000,   10000,   25000,   50000,    100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
};

void histogram_add(struct histogram *histogram, enum histogram_scale scale, int64_t duration_us)
{
    int64_t counted_us = duration_us < 0 ? 0 : duration_us;
    int bucket = 0;

    while (bucket < HISTOGRAM_BUCKETS && counted_us > histogram_bounds_us[bucket] * (int64_t)scale)
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, (uint64_t)counted_us, memory_order_relaxed);
}
