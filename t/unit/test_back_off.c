/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pauses between failures: doubled, limited, and short again after a while without one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/back_off.h"

static const struct back_off_limits limits = {.min_ms = 100, .max_ms = 500, .forget_ms = 1000};

static void test_doubling(void **state)
{
    struct back_off back_off = {0};
    int64_t now_ms = -5000; /* the clock may start anywhere */
    static const int64_t pauses[] = {100, 200, 400, 500, 500};

    (void)state;
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        assert_int_equal(back_off_next_ms(&back_off, &limits, now_ms), pauses[i]);
        assert_int_equal(back_off.over_at_ms, now_ms + pauses[i]);
        now_ms = back_off.over_at_ms;
    }
}

static void test_forgetting(void **state)
{
    struct back_off back_off = {0};

    (void)state;
    assert_int_equal(back_off_next_ms(&back_off, &limits, 0), 100);
    assert_int_equal(back_off_next_ms(&back_off, &limits, 1100), 200);
    assert_int_equal(back_off_next_ms(&back_off, &limits, 1300 + 1001), 100);
}

static void test_lower_limit(void **state)
{
    const struct back_off_limits lower = {.min_ms = 100, .max_ms = 250, .forget_ms = 1000};
    struct back_off back_off = {0};

    (void)state;
    for (int i = 0; i < 5; i++)
        back_off_next_ms(&back_off, &limits, 0);
    assert_int_equal(back_off_next_ms(&back_off, &lower, 0), 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubling),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_lower_limit),
    };

    return cmocka_run_group_tests_name("back_off", tests, NULL, NULL);
}
