/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads /proc, as any user may. The process ids of workers come from shared memory: a worker that
 * was broken into can make its own numbers wrong, as it can in other ways, and no more.
 */
#include "status/status_processes.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/pool_slots.h"

enum { MASTER, STATUS, WORKERS, KINDS };

struct usage {
    uint64_t private_bytes;
    uint64_t descriptors;
};

/* Resident pages that are not shared; the kernel calls those of files and of shared memory so. */
static uint64_t private_bytes(pid_t pid)
{
    unsigned long resident, shared;
    char path[64];
    FILE *file;
    int count;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    count = fscanf(file, "%*u %lu %lu", &resident, &shared);
    fclose(file);
    return count == 2 && resident > shared
               ? (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

static uint64_t open_descriptors(pid_t pid)
{
    struct stat status;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void add(struct usage *usage, pid_t pid)
{
    if (pid <= 0)
        return;
    usage->private_bytes += private_bytes(pid);
    usage->descriptors += open_descriptors(pid);
}

static void add_workers(struct usage *usage, const struct pool *pool)
{
    size_t end = atomic_load(&pool->scoreboard->workers_end);

    for (size_t i = 0; i < end && i < pool->worker_count; i++)
        add(usage, atomic_load(&pool_worker_slot(pool, i)->pid));
}

static const char *kind_word(int kind)
{
    return kind == MASTER ? "master" : kind == STATUS ? "status" : "workers";
}

static void head(FILE *out, const char *name, const char *help)
{
    fprintf(out, "# HELP pop3_proxy_%s %s\n# TYPE pop3_proxy_%s gauge\n", name, help, name);
}

static void line(FILE *out, const char *name, int kind, uint64_t value)
{
    fprintf(out, "pop3_proxy_%s{process=\"%s\"} %" PRIu64 "\n", name, kind_word(kind), value);
}

void status_processes_metrics(const struct pool *pools, pid_t master_pid, FILE *out)
{
    struct usage usage[KINDS] = {{0}};

    add(&usage[MASTER], master_pid);
    add(&usage[STATUS], getpid());
    for (; pools != NULL; pools = pools->next)
        add_workers(&usage[WORKERS], pools);
    head(out, "process_private_memory_bytes", "Memory that processes share with no other one.");
    for (int kind = 0; kind < KINDS; kind++)
        line(out, "process_private_memory_bytes", kind, usage[kind].private_bytes);
    if (usage[STATUS].descriptors == 0)
        return;
    head(out, "process_open_descriptors", "Descriptors that processes have open.");
    for (int kind = 0; kind < KINDS; kind++)
        line(out, "process_open_descriptors", kind, usage[kind].descriptors);
}
