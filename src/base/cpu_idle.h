/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the processors this process may use have time left.
 */
#ifndef BASE_CPU_IDLE_H
#define BASE_CPU_IDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two readings of /proc/stat, and what they said. */
struct cpu_idle {
    int64_t read_ms;
    uint64_t idle;
    uint64_t total;
    bool has_time;
};

/* How many processors these are. */
size_t cpu_idle_processors(void);

/* Begins a new observation. Until it is long enough to tell, there is none. */
void cpu_idle_begin(struct cpu_idle *cpu);

/* At least a tenth of the time since the last reading was idle. Reads again at most every 50 ms,
 * which is as fine as the kernel counts; where it does not tell, there is time. */
bool cpu_idle_has_time(struct cpu_idle *cpu);

#endif
