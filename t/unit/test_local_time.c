/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local time, compared with the C library's over zones and centuries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/local_time.h"

enum { DAY_S = 24 * 3600 };

static void check(int64_t wall_s)
{
    time_t moment = (time_t)wall_s;
    struct local_time local = local_time_at(wall_s);
    struct tm right;

    localtime_r(&moment, &right);
    assert_int_equal(local.year, right.tm_year + 1900);
    assert_int_equal(local.month, right.tm_mon + 1);
    assert_int_equal(local.day, right.tm_mday);
    assert_int_equal(local.hour, right.tm_hour);
    assert_int_equal(local.minute, right.tm_min);
    assert_int_equal(local.second, right.tm_sec);
}

/* Zones are given as rules, so that no time zone has to be installed. */
static void use_zone(const char *rules)
{
    setenv("TZ", rules, 1);
    local_time_prepare();
}

static const char *const zones[] = {
    "UTC0",         "CET-1CEST,M3.5.0,M10.5.0/3",           "NST3:30NDT,M3.2.0,M11.1.0",
    "<+0545>-5:45", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "<-12>12"};

static void test_every_day(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        use_zone(zones[i]);
        for (int64_t day = 1; day < 200 * 366; day++)
            check(day * DAY_S + day * 7919 % DAY_S);
    }
}

/* A running process asks for one moment after the other, across changes of the offset. */
static void test_as_time_goes_by(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        use_zone(zones[i]);
        for (int64_t wall_s = 1767225600; wall_s < 1767225600 + 366 * DAY_S; wall_s += 601)
            check(wall_s);
    }
}

static void test_clock_set_back(void **state)
{
    (void)state;
    use_zone(zones[1]);
    check(1782000000);
    check(1767225600);
    check(1767225599);
    check(1782000000);
}

/* A number that comes from memory that a broken process has written. */
static void test_no_time(void **state)
{
    (void)state;
    use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_int_equal(local_time_at(INT64_MAX).year, 9999); /* in this zone it is January already */
    assert_int_equal(local_time_at(INT64_MIN).year, 1970);
    assert_int_equal(local_time_at(-1).day, 2);
    check(DAY_S);
    check(INT64_C(253370764799));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_as_time_goes_by),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
