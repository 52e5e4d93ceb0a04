/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time of day where the server stands, as people read it.
 *
 * The same as localtime_r(), which writes into the C library's memory each time: a page or two that
 * every worker would have of its own. Here how far local time is ahead is looked up ahead of time,
 * by the master for all that it will fork.
 */
#ifndef BASE_LOCAL_TIME_H
#define BASE_LOCAL_TIME_H

#include <stdint.h>

struct local_time {
    int year;
    int month; /* 1 to 12 */
    int day;
    int hour;
    int minute;
    int second;
};

/* Reads the settings of the time zone again. Call it before the first fork. */
void local_time_prepare(void);

/* The local time at `wall_s` seconds since 1970, which must not be before. */
struct local_time local_time_at(int64_t wall_s);

#endif
