/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a pool: its making, its processes, what a dead one leaves behind. How many processes
 * there should be is decided in pool_size.c.
 */
#include "pool/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/shared.h"
#include "helper/helper_process.h"
#include "pool/worker.h"
#include "session/session.h"

enum { INSIST_MS = 100 };

/* A helper that lives shorter is not replaced at once. */
#define HELPER_SHORT_LIFE_S 1.0

static struct instance_memory *memories;

static void free_memory(struct instance_memory *memory)
{
    shared_free(memory->totals, sizeof(*memory->totals));
    account_table_free(memory->accounts);
    free(memory->name);
    free(memory);
}

static struct instance_memory *make_memory(const char *name)
{
    struct instance_memory *memory = calloc(1, sizeof(*memory));

    if (memory == NULL)
        return NULL;
    memory->name = strdup(name);
    memory->totals = shared_new(sizeof(*memory->totals));
    memory->accounts = account_table_new();
    if (memory->name == NULL || memory->totals == NULL || memory->accounts == NULL) {
        free_memory(memory);
        return NULL;
    }
    memory->next = memories;
    memories = memory;
    return memory;
}

struct instance_memory *instance_memory_acquire(const char *name)
{
    struct instance_memory *memory = memories;

    while (memory != NULL && strcmp(memory->name, name) != 0)
        memory = memory->next;
    if (memory == NULL)
        memory = make_memory(name);
    if (memory != NULL)
        memory->users++;
    return memory;
}

void instance_memory_release(struct instance_memory *memory)
{
    struct instance_memory **link = &memories;

    if (--memory->users > 0)
        return;
    while (*link != memory)
        link = &(*link)->next;
    *link = memory->next;
    free_memory(memory);
}

void generation_release(struct generation *generation)
{
    if (generation != NULL && --generation->users == 0) {
        conf_free(&generation->conf);
        free(generation);
    }
}

/* ---- processes ---- */

/* The first that is not there, or worker_count. */
static size_t free_worker(const struct pool *pool)
{
    size_t i = 0;

    while (i < pool->worker_count && pool_has_process(pool, i))
        i++;
    return i;
}

/* The first free slot is taken, so the used ones stand close together, and those that were never
 * needed, perhaps thousands in each of a hundred pools, are not looked at whenever a child ends. */
static void count_end(struct pool *pool)
{
    while (pool->workers_end < pool->worker_count && pool_has_process(pool, pool->workers_end))
        pool->workers_end++;
    while (pool->workers_end > 0 && !pool_has_process(pool, pool->workers_end - 1))
        pool->workers_end--;
    atomic_store(&pool->scoreboard->workers_end, pool->workers_end);
}

static bool fork_worker(struct pool *pool)
{
    size_t i = free_worker(pool);
    struct scoreboard_slot *slot;
    pid_t pid;

    if (i == pool->worker_count)
        return false;
    slot = pool_worker_slot(pool, i);
    atomic_store(&slot->state, SCOREBOARD_STARTING);
    atomic_store(&slot->session, 0);
    atomic_store(&slot->shed_session, 0);
    atomic_store(&slot->session_count, 0);
    atomic_store(&slot->slots_used, 0);
    pid = child_fork();
    if (pid == 0)
        _exit(worker_run(pool, slot));
    if (pid == -1) {
        atomic_store(&slot->state, SCOREBOARD_FREE);
        return false;
    }
    pool->pids[i] = pid;
    atomic_store(&slot->pid, (int)pid);
    return true;
}

size_t pool_grow(struct pool *pool, size_t count)
{
    size_t room = pool_size_room(pool);
    size_t forked = 0;

    if (count > room)
        count = room;
    while (forked < count && fork_worker(pool))
        forked++;
    /* Not one by one: a page that is written between two forks is copied for each of them. */
    pool->alive += forked;
    count_end(pool);
    if (forked < count)
        pool_size_wait_to_fork(pool, strerror(errno));
    return forked;
}

static void run_helper(struct pool *pool)
{
    struct error error;

    if (privileges_drop(pool->uid, pool->gid, &error) == -1) {
        log_message(EVENT_PRIVILEGES, "%s", error.text);
        _exit(EX_OSERR);
    }
    helper_process_run(pool->instance, pool->request_fds[1]);
    _exit(EX_OK);
}

void pool_start_helper(struct pool *pool)
{
    pid_t pid = child_fork();

    if (pid == 0)
        run_helper(pool);
    pool->helper_pid = pid == -1 ? 0 : pid;
    pool->helper_started_s = ev_now(EV_DEFAULT);
    if (pid == -1)
        pool_size_wait_to_fork(pool, strerror(errno));
}

/* ---- making one ---- */

static int open_channels(struct pool *pool)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pool->request_fds) == -1)
        return -1;
    pool->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return pool->notify_fd == -1 ? -1 : 0;
}

static size_t count_listeners(void)
{
    size_t count = 0;

    for (const struct listener *l = listener_first(); l != NULL; l = l->next)
        count++;
    return count;
}

/* The workers' copy of all listening addresses, as they are when the pool starts. */
static void copy_own_addresses(struct pool *pool)
{
    free(pool->own_addresses);
    pool->own_address_count = 0;
    pool->own_addresses = calloc(count_listeners(), sizeof(*pool->own_addresses));
    for (const struct listener *l = listener_first(); l != NULL && pool->own_addresses != NULL;
         l = l->next)
        pool->own_addresses[pool->own_address_count++] = l->address;
}

struct pool *pool_new(struct generation *generation, const struct conf_instance *instance,
                      struct error *error)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL) {
        error_set(error, "out of memory");
        return NULL;
    }
    *pool = (struct pool){.instance = instance,
                          .generation = generation,
                          .request_fds = {-1, -1},
                          .notify_fd = -1,
                          .uid = generation->conf.uid,
                          .gid = generation->conf.gid,
                          .master_pid = getpid()};
    generation->users++;
    pool_size_init(pool);
    pool->listener = listener_acquire(instance, error);
    if (pool->listener == NULL) {
        pool_free(pool);
        return NULL;
    }
    pool->memory = instance_memory_acquire(instance->section.name);
    if (pool->memory != NULL && pool_make_slots(pool) == -1) {
        error_set(error, "%s: %s: no room to watch its sessions; lower max_workers or "
                  "sessions_per_worker", instance->section.name, strerror(errno));
        pool_free(pool);
        return NULL;
    }
    if (pool->memory == NULL || open_channels(pool) == -1) {
        error_set(error, "%s: %s%s", instance->section.section_origin, strerror(errno),
                  errno == EMFILE ? "; " DESCRIPTORS_MEND : "");
        pool_free(pool);
        return NULL;
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    pool_size_stop(pool);
    if (pool->listener != NULL)
        listener_release(pool->listener);
    for (int i = 0; i < 2; i++)
        if (pool->request_fds[i] != -1)
            close(pool->request_fds[i]);
    if (pool->notify_fd != -1)
        close(pool->notify_fd);
    if (pool->memory != NULL)
        instance_memory_release(pool->memory);
    pool_free_slots(pool);
    free(pool->own_addresses);
    generation_release(pool->generation);
    free(pool);
}

void pool_start(struct pool *pool)
{
    listener_settle(pool->listener, pool->instance->values);
    copy_own_addresses(pool);
    pool->state = POOL_RUNNING;
    pool_call_all(pool);
    pool_start_helper(pool);
    pool_size_start(pool);
    pool_size_refill(pool);
}

/* ---- ending it ---- */

static void signal_workers(struct pool *pool, int number)
{
    for (size_t i = 0; i < pool->workers_end; i++)
        pool_signal(pool, i, number);
}

/* A signal that came just before a session fell asleep was not heard: say it again. */
static void on_insist(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;

    (void)loop;
    (void)events;
    if (pool->state == POOL_STOPPING)
        signal_workers(pool, WORKER_SIGNAL_STOP);
}

static void insist(struct pool *pool)
{
    if (ev_is_active(&pool->insist))
        return;
    ev_timer_init(&pool->insist, on_insist, INSIST_MS / 1e3, INSIST_MS / 1e3);
    pool->insist.data = pool;
    ev_timer_start(EV_DEFAULT, &pool->insist);
}

/* The workers close their copies of the socket; with ours nobody listens any more, unless another
 * pool does. */
static void stop_listening(struct pool *pool)
{
    pool_size_stop(pool);
    if (pool->listener != NULL)
        listener_release(pool->listener);
    pool->listener = NULL;
}

/* With the last worker of a pool that ends goes its helper: nobody is left who could ask. */
static void dismiss_helper(struct pool *pool)
{
    if (pool->state == POOL_RUNNING || pool->alive > 0)
        return;
    if (pool->request_fds[0] != -1)
        close(pool->request_fds[0]);
    pool->request_fds[0] = -1;
    if (pool->is_killed && pool->helper_pid != 0)
        kill(pool->helper_pid, SIGKILL);
}

void pool_retire(struct pool *pool)
{
    if (pool->state != POOL_RUNNING)
        return;
    pool->state = POOL_RETIRING;
    stop_listening(pool);
    signal_workers(pool, WORKER_SIGNAL_RETIRE);
    dismiss_helper(pool);
}

/* One with one session that is busy has heard of it before it is back at accept(); any other one
 * holds the socket open until it is gone. One with many says that it has closed it. */
static bool may_accept(const struct pool *pool, size_t i)
{
    int state = atomic_load(&pool_worker_slot(pool, i)->state);

    if (!pool_has_process(pool, i))
        return false;
    return state != (pool->places > 1 ? SCOREBOARD_LEAVING : SCOREBOARD_BUSY);
}

size_t pool_count_acceptors(const struct pool *pool)
{
    size_t count = 0;

    for (size_t i = 0; i < pool->workers_end; i++)
        count += may_accept(pool, i);
    return count;
}

void pool_stop(struct pool *pool)
{
    pool->state = POOL_STOPPING;
    stop_listening(pool);
    signal_workers(pool, WORKER_SIGNAL_STOP);
    insist(pool);
    dismiss_helper(pool);
}

void pool_kill(struct pool *pool)
{
    pool->is_killed = true;
    signal_workers(pool, SIGKILL);
    dismiss_helper(pool);
}

/* The old helper is nobody's from now on: it leaves once the programs it runs have ended. */
static void relieve_helper(struct pool *pool)
{
    if (pool->helper_pid == 0)
        return;
    kill(pool->helper_pid, HELPER_SIGNAL_RELIEF);
    pool_start_helper(pool);
}

/* Each that leaves is replaced. One with many sessions keeps its slot until the last of them ends,
 * so no more may leave than there are slots for others: the rest stay as they are. */
static void retire_replaceable(struct pool *pool)
{
    size_t room = pool->places > 1 ? pool->worker_count - pool->alive : pool->worker_count;
    size_t left = 0;

    for (size_t i = 0; i < pool->workers_end; i++) {
        bool is_leaving = atomic_load(&pool_worker_slot(pool, i)->state) == SCOREBOARD_LEAVING;

        if (!pool_has_process(pool, i))
            continue;
        if (is_leaving || room == 0) {
            left += pool->places > 1;
            continue;
        }
        pool_signal(pool, i, WORKER_SIGNAL_RETIRE);
        room--;
    }
    if (left > 0)
        log_message_at(LOG_LEVEL_WARNING, EVENT_LOG_REOPENED,
                    "instance %s: %zu workers with many sessions go on in the old file",
                    pool->instance->section.name, left);
}

void pool_refresh(struct pool *pool)
{
    if (pool->state != POOL_RUNNING)
        return;
    relieve_helper(pool);
    retire_replaceable(pool);
}

bool pool_is_empty(const struct pool *pool)
{
    return pool->alive == 0 && pool->helper_pid == 0;
}

/* ---- what a dead process leaves behind ---- */

/* What a reader of the log needs to find the session. */
static void add_session(struct log_line *line, const struct scoreboard_slot *slot)
{
    struct scoreboard_texts texts;

    if (atomic_load(&slot->state) != SCOREBOARD_BUSY || !scoreboard_read_texts(slot, &texts))
        return;
    log_add(line, "session", texts.id);
    log_add(line, "client", texts.client);
    log_add(line, "user", texts.user);
    log_add(line, "server", texts.server);
    log_add(line, "stage", session_stage_word((enum session_stage)atomic_load(&slot->stage)));
}

/* The sessions that a worker with many has taken with it. */
static void log_lost_sessions(const struct pool *pool, struct scoreboard_slot *worker, pid_t pid)
{
    struct scoreboard_slot *slot;
    struct log_line line;

    for (size_t at = 0; (slot = pool_next_place(pool, worker, &at)) != NULL;) {
        if (atomic_load(&slot->state) != SCOREBOARD_BUSY)
            continue;
        log_begin(&line, EVENT_SESSION_LOST);
        log_add(&line, "instance", pool->instance->section.name);
        log_add_number(&line, "pid", pid);
        add_session(&line, slot);
        log_end(&line);
    }
}

static void log_death(const struct pool *pool, struct scoreboard_slot *slot, pid_t pid, int status)
{
    struct log_line line;

    log_begin(&line, EVENT_WORKER_DIED);
    log_add(&line, "instance", pool->instance->section.name);
    log_add_number(&line, "pid", pid);
    if (WIFSIGNALED(status))
        log_add(&line, "signal", strsignal(WTERMSIG(status)));
    else
        log_add_number(&line, "exit", WEXITSTATUS(status));
    if (pool->places == 1)
        add_session(&line, slot);
    else
        log_add_number(&line, "sessions", atomic_load(&slot->session_count));
    log_end(&line);
    if (pool->places > 1)
        log_lost_sessions(pool, slot, pid);
}

static void clear_slot(struct pool *pool, struct scoreboard_slot *slot)
{
    uint64_t key = atomic_exchange(&slot->account, 0);

    if (key != 0)
        account_give_place_back(pool->memory->accounts, key);
    atomic_store(&slot->state, SCOREBOARD_FREE);
}

static void clear_worker(struct pool *pool, size_t i)
{
    struct scoreboard_slot *worker = pool_worker_slot(pool, i);
    struct scoreboard_slot *slot;

    for (size_t at = 0; (slot = pool_next_place(pool, worker, &at)) != NULL;)
        clear_slot(pool, slot);
    clear_slot(pool, worker);
    atomic_store(&worker->pid, 0);
    pool->pids[i] = 0;
    pool->alive--;
    count_end(pool);
}

static void reap_worker(struct pool *pool, size_t i, int status)
{
    struct scoreboard_slot *slot = pool_worker_slot(pool, i);
    bool is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
    bool has_served = atomic_load(&slot->session) > 0;

    if (!is_orderly) {
        log_death(pool, slot, pool->pids[i], status);
        scoreboard_add(&pool->memory->totals->crashes, 1);
    }
    clear_worker(pool, i);
    if (!is_orderly)
        pool_count_afresh(pool);
    if (pool->state != POOL_RUNNING)
        return;
    if (!is_orderly && !has_served)
        pool_size_throttle(pool, "a worker died before its first session");
    pool_size_refill(pool);
}

static void reap_helper(struct pool *pool, int status)
{
    pool->helper_pid = 0;
    if (pool->state != POOL_RUNNING && pool->alive == 0)
        return;
    log_message(EVENT_HELPER_DIED, "instance %s, status %d",
                pool->instance->section.name, status);
    if (ev_now(EV_DEFAULT) < pool->helper_started_s + HELPER_SHORT_LIFE_S)
        pool_size_throttle(pool, "the helper died right after its start");
    else
        pool_start_helper(pool);
}

bool pool_reap(struct pool *pool, pid_t pid, int status)
{
    if (pid == pool->helper_pid) {
        reap_helper(pool, status);
        return true;
    }
    for (size_t i = 0; i < pool->workers_end; i++) {
        if (pool->pids[i] != pid)
            continue;
        reap_worker(pool, i, status);
        dismiss_helper(pool);
        return true;
    }
    return false;
}
