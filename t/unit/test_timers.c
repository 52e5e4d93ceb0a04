/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap of timers against a plain list: whatever is set, moved and cancelled, they come out in
 * order, each once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/timers.h"

enum { COUNT = 500, STEPS = 20000 };

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % limit;
}

static int64_t earliest(const struct timer *all)
{
    int64_t found = CLOCK_NEVER;

    for (size_t i = 0; i < COUNT; i++)
        if (timer_is_set(&all[i]))
            found = clock_earlier(found, all[i].at_ms);
    return found;
}

static void test_against_list(void **state)
{
    static struct timer all[COUNT];
    struct timers timers = {0};

    (void)state;
    assert_true(timers_reserve(&timers, COUNT));
    for (int step = 0; step < STEPS; step++) {
        struct timer *one = &all[random_below(COUNT)];
        uint32_t what = random_below(8);

        if (what < 5)
            timer_set(&timers, one, random_below(1000));
        else if (what < 7)
            timer_cancel(&timers, one);
        else
            (void)timers_take_due(&timers, random_below(1000));
        if (step % 16 == 0)
            assert_int_equal(timers_next_ms(&timers), earliest(all));
    }
    while (timers.count > 0) {
        int64_t next_ms = earliest(all);
        struct timer *taken = timers_take_due(&timers, CLOCK_NEVER - 1);
        assert_non_null(taken);
        assert_int_equal(taken->at_ms, next_ms);
        assert_false(timer_is_set(taken));
    }
    assert_int_equal(earliest(all), CLOCK_NEVER);
    timers_free(&timers);
}

static void test_not_due(void **state)
{
    struct timers timers = {0};
    struct timer one = {0};

    (void)state;
    assert_null(timers_take_due(&timers, 100));
    assert_int_equal(timers_next_ms(&timers), CLOCK_NEVER);
    assert_true(timers_reserve(&timers, 1));
    timer_set(&timers, &one, 50);
    assert_null(timers_take_due(&timers, 49));
    assert_ptr_equal(timers_take_due(&timers, 50), &one);
    timer_cancel(&timers, &one);
    assert_null(timers_take_due(&timers, 50));
    timers_free(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_list),
        cmocka_unit_test(test_not_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
