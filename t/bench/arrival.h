/* SPDX-License-Identifier: BSD-2-Clause */
/* When the clients of the load generator arrive: closed, storm, open or idle (settings.h). */
#ifndef POP3_BENCH_ARRIVAL_H
#define POP3_BENCH_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

/* Time counts from now on. */
void arrival_start(void);
uint64_t arrival_start_ns(void);

/* Starts the clients that are due. */
void arrival_begin_due(void);

/* When the next client may begin: 0 now, UINT64_MAX when another one has ended. */
uint64_t arrival_next_due_ns(uint64_t now);

/* Starts no more clients. */
void arrival_stop(void);

/* True when all clients have finished and no more will begin. */
bool arrival_is_over(void);

/* How many have begun. */
uint64_t arrival_started(void);

/* Counts as errors the clients that were due (--mode open) and never began. */
void arrival_count_unstarted(void);

#endif
