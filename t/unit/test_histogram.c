/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Durations in their buckets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(histogram_bounds_us[0], 1000);
    assert_int_equal(histogram_bounds_us[HISTOGRAM_BUCKETS - 1], 30 * 1000 * 1000);
    for (int i = 1; i < HISTOGRAM_BUCKETS; i++)
        assert_true(histogram_bounds_us[i] > histogram_bounds_us[i - 1]);
}

/* A duration belongs to the first bucket whose bound it does not exceed. */
static void test_buckets(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram_add(&histogram, HISTOGRAM_FAST, histogram_bounds_us[i]);
        assert_int_equal(histogram.counts[i], 1);
        assert_int_equal(histogram.counts[i + 1], 0);
        histogram_add(&histogram, HISTOGRAM_FAST, histogram_bounds_us[i] + 1);
        assert_int_equal(histogram.counts[i + 1], 1);
        histogram.counts[i + 1] = 0;
    }
}

static void test_sum(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    histogram_add(&histogram, HISTOGRAM_FAST, 0);
    histogram_add(&histogram, HISTOGRAM_FAST, -5); /* a clock never goes back, but a sum must not either */
    histogram_add(&histogram, HISTOGRAM_FAST, 700);
    histogram_add(&histogram, HISTOGRAM_FAST, INT64_C(86400) * 1000 * 1000);
    assert_int_equal(histogram.counts[0], 3);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS], 1);
    assert_int_equal(histogram.sum_us, 700 + INT64_C(86400) * 1000 * 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
