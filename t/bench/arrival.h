/* SPDX-License-Identifier: BSD-2-Clause */
/* When the clients of the load generator come: closed, storm, open or idle (settings.h). */
#ifndef POP3_BENCH_ARRIVAL_H
#define POP3_BENCH_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

/* Time counts from now on. */
void arrival_start(void);
uint64_t arrival_start_ns(void);

/* Begins those that are due. */
void arrival_begin_due(void);

/* When the next may begin: 0 at once, UINT64_MAX not before another one ends. */
uint64_t arrival_next_due_ns(uint64_t now);

/* Nobody begins any more. */
void arrival_stop(void);

/* Everybody is through, and nobody will come. */
bool arrival_is_over(void);

/* So many have begun. */
uint64_t arrival_started(void);

/* Counts as errors those that were due (--mode open) and never began. */
void arrival_count_unstarted(void);

#endif
