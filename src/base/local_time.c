/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calendar. The C library knows the offset to UTC; this file adds it and finds the date.
 */
#include "base/local_time.h"

#include <time.h>

#include "base/clock.h"

enum {
    DAY_S = 24 * 3600,
    /* Steps in which find_offset() tries how long the offset stays the same: no time zone changes
     * its offset twice in six hours. */
    STEP_S = DAY_S / 4,
    STEPS = 56, /* two weeks */
    /* Days are counted from 1 March 1600: then a leap day is the last day of its year, of its four
     * years and of its four centuries. */
    DAYS_BEFORE_1970 = 135080,
    DAYS_4_YEARS = 4 * 365 + 1,
    DAYS_CENTURY = 25 * DAYS_4_YEARS - 1,
    DAYS_4_CENTURIES = 4 * DAYS_CENTURY + 1,
};

#define LAST_S INT64_C(253370764799) /* the end of the year 9998 */

/* How many seconds local time is ahead of UTC, and from when until when this is known to hold. */
static struct {
    int64_t from_s;
    int64_t until_s;
    int64_t ahead_s;
} offset;

static int64_t ahead_at(int64_t wall_s)
{
    time_t moment = (time_t)wall_s;
    struct tm local = {0};

    localtime_r(&moment, &local);
    return local.tm_gmtoff;
}

static void find_offset(int64_t wall_s)
{
    offset.ahead_s = ahead_at(wall_s);
    offset.from_s = wall_s;
    offset.until_s = wall_s + 1;
    for (int i = 1; i <= STEPS && ahead_at(wall_s + i * STEP_S) == offset.ahead_s; i++)
        offset.until_s = wall_s + i * STEP_S;
}

void local_time_prepare(void)
{
    tzset(); /* reads a file */
    find_offset(clock_wall_s());
}

void local_time_hold(void)
{
    offset.from_s = INT64_MIN;
    offset.until_s = INT64_MAX;
}

/* Sets year, month and day from the days since 1 January 1970. */
static void set_date(struct local_time *local, int64_t days)
{
    static const int lengths[] = {31, 30, 31, 30, 31, 31,
                                  30, 31, 30, 31, 31, 29}; /* of the months, from March */
    int day = (int)((days + DAYS_BEFORE_1970) % DAYS_4_CENTURIES);
    int century = day / DAYS_CENTURY < 3 ? day / DAYS_CENTURY : 3;
    int of_century = day - century * DAYS_CENTURY;
    int of_four = of_century % DAYS_4_YEARS;
    int year = of_four / 365 < 3 ? of_four / 365 : 3;
    int month = 0;

    for (day = of_four - year * 365; day >= lengths[month]; month++)
        day -= lengths[month];
    local->year = 1600 + 400 * (int)((days + DAYS_BEFORE_1970) / DAYS_4_CENTURIES) + 100 * century +
                  4 * (of_century / DAYS_4_YEARS) + year + (month >= 10);
    local->month = (month + 2) % 12 + 1;
    local->day = day + 1;
}

struct local_time local_time_at(int64_t wall_s)
{
    struct local_time local;
    int64_t local_s;

    wall_s = wall_s < DAY_S ? DAY_S : wall_s > LAST_S ? LAST_S : wall_s;
    if (wall_s < offset.from_s || wall_s >= offset.until_s)
        find_offset(wall_s);
    local_s = wall_s + offset.ahead_s;
    set_date(&local, local_s / DAY_S);
    local.hour = (int)(local_s % DAY_S / 3600);
    local.minute = (int)(local_s % 3600 / 60);
    local.second = (int)(local_s % 60);
    local.ahead_s = (int)offset.ahead_s;
    return local;
}
