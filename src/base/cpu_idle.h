/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the processors that this process may use have time left.
 */
#ifndef BASE_CPU_IDLE_H
#define BASE_CPU_IDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The last reading of /proc/stat, and what it said together with the one before. */
struct cpu_idle {
    int64_t read_ms;
    uint64_t idle;
    uint64_t total;
    bool has_time;
};

/* The number of these processors. */
size_t cpu_idle_processors(void);

/* Starts to observe. The answer is no until there are two readings. */
void cpu_idle_begin(struct cpu_idle *cpu);

/* Whether a tenth of the time or more was idle between the last two readings. Reads again at most
 * every 50 ms, because the kernel's counters are not finer. Where they cannot be read the answer is
 * yes. */
bool cpu_idle_has_time(struct cpu_idle *cpu);

#endif
