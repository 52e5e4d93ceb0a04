/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the idle time from /proc/stat. Only the processors in this process's affinity mask count: a
 * server that may use two of sixty-four gains nothing from the other sixty-two.
 */
#include "base/cpu_idle.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "base/clock.h"

enum { READ_EVERY_MS = 50, IDLE_PART = 10, LINE_BYTES = 256 };

/* A line is "cpu3 user nice system idle iowait irq softirq ...". */
static void add_line(const char *line, const cpu_set_t *mine, uint64_t *idle, uint64_t *total)
{
    unsigned number;
    uint64_t value[7] = {0};

    if (sscanf(line,
               "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64,
               &number, &value[0], &value[1], &value[2], &value[3], &value[4], &value[5],
               &value[6]) != 8 ||
        number >= CPU_SETSIZE || !CPU_ISSET(number, mine))
        return;
    for (int i = 0; i < 7; i++)
        *total += value[i];
    *idle += value[3] + value[4];
}

static bool read_counts(uint64_t *idle, uint64_t *total)
{
    char line[LINE_BYTES];
    cpu_set_t mine;
    FILE *file;

    *idle = *total = 0;
    if (sched_getaffinity(0, sizeof(mine), &mine) == -1)
        return false;
    file = fopen("/proc/stat", "re");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof(line), file) != NULL && line[0] == 'c')
        add_line(line, &mine, idle, total);
    fclose(file);
    return *total > 0;
}

size_t cpu_idle_processors(void)
{
    cpu_set_t mine;
    int count = sched_getaffinity(0, sizeof(mine), &mine) == -1 ? 1 : CPU_COUNT(&mine);

    return (size_t)count;
}

void cpu_idle_begin(struct cpu_idle *cpu)
{
    cpu->has_time = false;
    cpu->read_ms = clock_now_ms();
    if (!read_counts(&cpu->idle, &cpu->total))
        cpu->has_time = true;
}

bool cpu_idle_has_time(struct cpu_idle *cpu)
{
    int64_t now_ms = clock_now_ms();
    uint64_t idle;
    uint64_t total;

    if (now_ms - cpu->read_ms < READ_EVERY_MS || !read_counts(&idle, &total))
        return cpu->has_time;
    /* The kernel's counters may go backwards: then the last answer stays. */
    if (total > cpu->total && idle >= cpu->idle)
        cpu->has_time = (idle - cpu->idle) * IDLE_PART >= total - cpu->total;
    cpu->read_ms = now_ms;
    cpu->idle = idle;
    cpu->total = total;
    return cpu->has_time;
}
