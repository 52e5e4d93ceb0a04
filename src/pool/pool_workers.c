/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forking and signalling. The numbers of processes stand in memory of the master's own: root must
 * not signal a process because a worker wrote its number somewhere.
 */
#include "pool/pool_workers.h"

#include <errno.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "helper/helper_process.h"
#include "pool/group_memory.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"
#include "pool/quota.h"
#include "pool/worker.h"

bool pool_has_process(const struct pool *pool, size_t index)
{
    return pool->pids[index] != 0;
}

size_t pool_find_worker(const struct pool *pool, pid_t pid)
{
    for (size_t i = 0; i < pool->workers_end; i++)
        if (pool->pids[i] == pid)
            return i;
    return pool->worker_count;
}

/* ---- signals ---- */

void pool_signal(const struct pool *pool, size_t index, int number)
{
    if (pool_has_process(pool, index))
        kill(pool->pids[index], number);
}

void pool_signal_session(const struct pool *pool, const struct scoreboard_slot *slot, int number)
{
    pool_signal(pool, pool_worker_of(pool, slot), number);
}

void pool_signal_all(const struct pool *pool, int number)
{
    for (size_t i = 0; i < pool->workers_end; i++)
        pool_signal(pool, i, number);
}

/* ---- workers ---- */

/* The index of the first worker without a process, or worker_count. */
static size_t free_worker(const struct pool *pool)
{
    size_t i = 0;

    while (i < pool->worker_count && pool_has_process(pool, i))
        i++;
    return i;
}

/* A new worker takes the first free slot, so those in use stand close together. Those that were
 * never needed, perhaps thousands in each of a hundred pools, are not gone through whenever a child
 * ends. */
static void update_end(struct pool *pool)
{
    while (pool->workers_end < pool->worker_count && pool_has_process(pool, pool->workers_end))
        pool->workers_end++;
    while (pool->workers_end > 0 && !pool_has_process(pool, pool->workers_end - 1))
        pool->workers_end--;
    atomic_store(&pool->scoreboard->workers_end, pool->workers_end);
}

static bool fork_worker(struct pool *pool)
{
    size_t index = free_worker(pool);
    struct scoreboard_slot *slot;
    pid_t pid;

    if (index == pool->worker_count)
        return false;
    slot = pool_worker_slot(pool, index);
    scoreboard_clear(slot);
    scoreboard_set_state(slot, SCOREBOARD_STARTING);
    pid = child_fork();
    if (pid == 0)
        _exit(worker_run(pool, slot));
    if (pid == -1) {
        scoreboard_set_state(slot, SCOREBOARD_FREE);
        return false;
    }
    pool->pids[index] = pid;
    atomic_store(&slot->pid, (int)pid);
    return true;
}

size_t pool_fork_workers(struct pool *pool, size_t count)
{
    size_t forked = 0;
    int error = 0;

    while (forked < count && fork_worker(pool))
        forked++;
    error = errno;
    /* Not after each fork: a page that is written between two forks is copied for each of them. */
    pool->alive += forked;
    update_end(pool);
    errno = error;
    return forked;
}

/* A login that was under way counts as failed: a password that ends workers is not to be tried
 * faster than others. */
static void clear_slot(struct pool *pool, struct scoreboard_slot *slot)
{
    struct account_table *accounts = pool->memory->accounts;
    uint64_t key = atomic_exchange(&slot->account, 0);

    quota_give_back(pool->memory, slot);
    if (atomic_load(&slot->login) == SCOREBOARD_LOGIN_UNDER_WAY)
        account_end_attempt(accounts, key, true, clock_now_ms());
    if (key != 0)
        account_give_place_back(accounts, key);
    group_memory_give_back(atomic_exchange(&slot->server, 0), atomic_load(&slot->is_server_login),
                           atomic_load(&slot->staying_user));
    atomic_store(&slot->login, SCOREBOARD_LOGIN_NONE);
    scoreboard_set_state(slot, SCOREBOARD_FREE);
}

void pool_clear_worker(struct pool *pool, size_t index)
{
    struct scoreboard_slot *worker = pool_worker_slot(pool, index);
    struct scoreboard_slot *slot;

    for (size_t at = 0; (slot = pool_next_place(pool, worker, &at)) != NULL;)
        clear_slot(pool, slot);
    if (pool->places > 1)
        clear_slot(pool, worker);
    atomic_store(&worker->pid, 0);
    pool->pids[index] = 0;
    pool->alive--;
    update_end(pool);
}

/* ---- the helper ---- */

static void run_helper(const struct pool *pool, int pulse_fd)
{
    helper_process_run(pool->instance, pool->route_counts, pool->request_fds[1], pulse_fd, pool->uid,
                       pool->gid);
    _exit(EX_OK);
}

int pool_fork_helper(struct pool *pool)
{
    int pulse_fd = helper_watch_open(&pool->helper_watch);
    pid_t pid = child_fork();

    if (pid == 0)
        run_helper(pool, pulse_fd);
    file_close_failed(pulse_fd);
    if (pid != -1)
        helper_watch_start(&pool->helper_watch, pid);
    pool->helper_pid = pid == -1 ? 0 : pid;
    pool->helper_started_ms = clock_now_ms();
    return pid == -1 ? -1 : 0;
}

void pool_dismiss_helper(struct pool *pool)
{
    if (pool->state == POOL_RUNNING || pool->alive > 0)
        return;
    if (pool->request_fds[0] != -1)
        close(pool->request_fds[0]);
    pool->request_fds[0] = -1;
    if (pool->is_killed && pool->helper_pid != 0)
        kill(pool->helper_pid, SIGKILL);
}
