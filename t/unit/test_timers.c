/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap of timers, compared with a plain list: whatever is set, moved and cancelled, timers come
 * out in order and once each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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

static struct timer all[COUNT];
static int64_t at[COUNT]; /* what each was set to; CLOCK_NEVER: not set */

static int64_t earliest(void)
{
    int64_t found = CLOCK_NEVER;

    for (size_t i = 0; i < COUNT; i++)
        found = clock_earlier(found, at[i]);
    return found;
}

/* Removes the timer that is due; it must be one of the earliest, or none is due. Returns whether
 * there was one. */
static bool take_due(struct timers *timers, int64_t now_ms)
{
    int64_t next_ms = earliest();
    struct timer *taken = timers_take_due(timers, now_ms);

    if (next_ms == CLOCK_NEVER || next_ms > now_ms) {
        assert_null(taken);
        return false;
    }
    assert_non_null(taken);
    assert_int_equal(at[taken - all], next_ms);
    assert_false(timer_is_set(taken));
    at[taken - all] = CLOCK_NEVER;
    return true;
}

static void do_anything(struct timers *timers)
{
    size_t i = random_below(COUNT);
    uint32_t what = random_below(8);

    if (what < 5) {
        at[i] = random_below(1000);
        timer_set(timers, &all[i], at[i]);
    } else if (what < 7) {
        at[i] = CLOCK_NEVER;
        timer_cancel(timers, &all[i]);
    } else {
        take_due(timers, random_below(1000));
    }
    assert_int_equal(timer_is_set(&all[i]), at[i] != CLOCK_NEVER);
}

static void test_against_list(void **state)
{
    struct timers timers = {0};

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        at[i] = CLOCK_NEVER;
    assert_true(timers_reserve(&timers, COUNT));
    for (int step = 0; step < STEPS; step++) {
        do_anything(&timers);
        assert_int_equal(timers_next_ms(&timers), earliest());
    }
    while (take_due(&timers, CLOCK_NEVER - 1))
        continue;
    assert_int_equal(timers_next_ms(&timers), CLOCK_NEVER);
    for (size_t i = 0; i < COUNT; i++)
        assert_false(timer_is_set(&all[i]));
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
