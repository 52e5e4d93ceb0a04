/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a pool: how it is made, started, retired and stopped.
 */
#include "pool/pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/list.h"
#include "base/log.h"
#include "base/number.h"
#include "helper/helper_process.h"
#include "pool/group_memory.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"
#include "pool/worker.h"

enum { INSIST_MS = 100 };

void generation_release(struct generation *generation)
{
    if (generation != NULL && --generation->users == 0) {
        group_memory_detach(&generation->conf);
        conf_free(&generation->conf);
        free(generation);
    }
}

/* ---- making one ---- */

/* To the helper. */
static int open_channel(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

static int open_channels(struct pool *pool)
{
    if (open_channel(pool->request_fds) == -1)
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

/* Where the answers of each routing table are counted. */
static void find_route_counts(struct pool *pool)
{
    const char *tables = pool->instance->values->route;
    struct list_entry table;

    for (size_t i = 0; i < ROUTER_TABLES_MAX && list_next(&tables, &table); i++)
        pool->route_counts[i] = instance_memory_table(pool->memory, table.text, table.length);
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
    helper_watch_init(&pool->helper_watch, instance->section.name);
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
    find_route_counts(pool);
    return pool;
}

void pool_free(struct pool *pool)
{
    pool_size_stop(pool);
    helper_watch_stop(&pool->helper_watch);
    ev_timer_stop(EV_DEFAULT, &pool->insist);
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
    listener_settle(pool->listener, pool->instance);
    copy_own_addresses(pool);
    pool->state = POOL_RUNNING;
    pool_rest_call_all(pool);
    pool_size_start_helper(pool);
    pool_size_start(pool);
    pool_size_refill(pool);
}

/* ---- ending it ---- */

/* A signal that came just before a session fell asleep had no effect: send it again. */
static void on_insist(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;

    (void)loop;
    (void)events;
    if (pool->state == POOL_STOPPING)
        pool_signal_all(pool, WORKER_SIGNAL_STOP);
}

static void insist(struct pool *pool)
{
    if (ev_is_active(&pool->insist))
        return;
    ev_timer_init(&pool->insist, on_insist, INSIST_MS / 1e3, INSIST_MS / 1e3);
    pool->insist.data = pool;
    ev_timer_start(EV_DEFAULT, &pool->insist);
}

/* The workers close their copies of the socket. Once ours is closed nobody listens any more, unless
 * another pool does. */
static void stop_listening(struct pool *pool)
{
    pool_size_stop(pool);
    if (pool->listener != NULL)
        listener_release(pool->listener);
    pool->listener = NULL;
}

void pool_retire(struct pool *pool)
{
    if (pool->state != POOL_RUNNING)
        return;
    pool->state = POOL_RETIRING;
    stop_listening(pool);
    pool_signal_all(pool, WORKER_SIGNAL_RETIRE);
    pool_dismiss_helper(pool);
}

/* A busy worker with one session finds the signal before it is back at accept(). Any other one holds
 * the socket open until it has ended. A worker with many sessions says when it has closed it. */
static bool may_accept(const struct pool *pool, size_t i)
{
    enum scoreboard_state state = scoreboard_state(pool_worker_slot(pool, i));

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
    pool_signal_all(pool, WORKER_SIGNAL_STOP);
    insist(pool);
    pool_dismiss_helper(pool);
}

void pool_kill(struct pool *pool)
{
    pool->is_killed = true;
    pool_signal_all(pool, SIGKILL);
    pool_dismiss_helper(pool);
}

/* The old helper gets no more requests: it leaves once the programs it runs have ended. */
static void replace_helper(struct pool *pool)
{
    if (pool->helper_pid == 0)
        return;
    kill(pool->helper_pid, HELPER_SIGNAL_RELIEF);
    pool_size_start_helper(pool);
}

/* Each worker that leaves is replaced. One with many sessions keeps its slots until the last of them
 * ends, so no more may leave than there are slots for new ones. The others stay as they are;
 * returns how many. */
static size_t retire_replaceable(struct pool *pool)
{
    size_t room = pool->places > 1 ? pool->worker_count - pool->alive : pool->worker_count;
    size_t left = 0;

    for (size_t i = 0; i < pool->workers_end; i++) {
        bool is_leaving = scoreboard_state(pool_worker_slot(pool, i)) == SCOREBOARD_LEAVING;

        if (!pool_has_process(pool, i))
            continue;
        if (is_leaving || room == 0) {
            left += pool->places > 1;
            continue;
        }
        pool_signal(pool, i, WORKER_SIGNAL_RETIRE);
        room--;
    }
    return left;
}

void pool_refresh(struct pool *pool)
{
    size_t left;

    if (pool->state != POOL_RUNNING)
        return;
    replace_helper(pool);
    left = retire_replaceable(pool);
    if (left > 0)
        log_message_at(LOG_LEVEL_WARNING, EVENT_LOG_REOPENED,
                    "instance %s: the old file stays open in %zu worker%s with many sessions",
                    pool->instance->section.name, left, number_plural(left));
}

static bool is_channel_shut(const struct pool *pool)
{
    struct pollfd ends[2] = {{.fd = pool->request_fds[0], .events = POLLRDHUP},
                             {.fd = pool->request_fds[1], .events = POLLRDHUP}};

    return poll(ends, 2, 0) > 0;
}

void pool_mend_channel(struct pool *pool)
{
    int fds[2];
    size_t left;

    if (pool->state != POOL_RUNNING || !is_channel_shut(pool) || open_channel(fds) == -1)
        return;
    for (int i = 0; i < 2; i++) {
        close(pool->request_fds[i]);
        pool->request_fds[i] = fds[i];
    }
    log_message(EVENT_TAMPERING,
                "instance %s: a worker has shut down the socket to the helper; the workers and the "
                "helper are replaced",
                pool->instance->section.name);
    left = retire_replaceable(pool);
    if (left > 0)
        log_message_at(LOG_LEVEL_WARNING, EVENT_TAMPERING,
                       "instance %s: the old socket stays in %zu worker%s with many sessions; logins "
                       "there fail until the server is restarted, or %s",
                       pool->instance->section.name, left, number_plural(left),
                       left == 1 ? "this worker ends" : "these workers end");
}

bool pool_is_empty(const struct pool *pool)
{
    return pool->alive == 0 && pool->helper_pid == 0;
}
