/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many workers a pool has.
 *
 * While workers are idle the master sleeps. The worker that takes the last idle place wakes it.
 * With no worker idle the master watches the listening socket; once a connection waits there it
 * polls the queue every few milliseconds, and estimates from the connections taken lately how long
 * the last one in the queue will wait.
 *
 * A small pool whose sessions finish quickly serves best, and more processes do not help a
 * processor that has no time left. So while processors are idle the pool grows, doubling, when
 * nothing was taken for two polls or the wait is noticeable. While they are not, it grows when
 * nothing was taken for long or the wait is very long, and then only as long as growing helps.
 * When it may not grow any further and the queue does not move, sessions that have not logged in
 * make room. Before either, the workers that rest (pool_rest.c) are called.
 */
#include "pool/pool_size.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/pool.h"
#include "pool/pool_full.h"
#include "pool/pool_queue.h"
#include "pool/pool_room.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"
#include "pool/worker.h"

#define SHRINK_S   1.0
#define CHECK_S    2.0
#define TRIAL_GAIN 1.1 /* growing without idle processors has helped if so much more is taken */

enum {
    CALM_POLLS = 20,       /* without a stall, before the master sleeps again */
    CALM_BUSY_POLLS = 400, /* the same where the processors have no time: sessions take longer then */
    STALL_POLLS = 2,       /* in which nothing is taken: the queue stands still */
    STALL_BUSY_POLLS = 20, /* the same where the processors have no time: no worker had its turn */
    SHED_POLLS = 20,       /* longer before making room: it costs a client its session */
    WAIT_NOTED_POLLS = 4,  /* a wait that is worth a process if a processor has time for it */
    WAIT_LONG_POLLS = 200,
    TRIAL_POLLS = 100, /* for which a pool that has grown without idle processors is watched */
};

/* A process that dies at once will do so again. A fork that failed may succeed at any moment, when
 * a limit is lifted, and a try costs little. */
static const struct back_off_limits after_deaths = {
    .min_ms = 100, .max_ms = 10000, .forget_ms = 5000};
static const struct back_off_limits after_failed_forks = {
    .min_ms = 100, .max_ms = 400, .forget_ms = 5000};

/* ---- counting ---- */

/* Workers that take connections, or will. One with many sessions may take long to leave and is
 * replaced before. */
static size_t count_serving(const struct pool *pool)
{
    size_t leaving = pool->places > 1 ? pool_count_state(pool, SCOREBOARD_LEAVING) : 0;

    return pool->alive > leaving ? pool->alive - leaving : 0;
}

/* How many more workers there may be. Those that only serve their last sessions do not count. */
static size_t room(const struct pool *pool)
{
    size_t max = (size_t)pool->instance->values->max_workers;
    size_t serving = count_serving(pool);
    size_t below_max = max > serving ? max - serving : 0;
    size_t free_slots = pool->worker_count - pool->alive;

    return below_max < free_slots ? below_max : free_slots;
}

/* Those that will wait in a moment count: they were forked for the connections that wait now. */
static size_t count_idle(const struct pool *pool)
{
    return pool_count_state(pool, SCOREBOARD_IDLE) + pool_count_state(pool, SCOREBOARD_STARTING);
}

/* All that have no session. */
static size_t count_unused(const struct pool *pool)
{
    return count_idle(pool) + pool_count_state(pool, SCOREBOARD_RESTING);
}

static size_t wanted_workers(const struct pool *pool)
{
    return (size_t)pool->instance->values->workers;
}

/* Workers change the count while the slots are gone through: then it is done again, for a moment. A
 * count that is too small only wakes the master in vain; one that is too large would let it sleep
 * while a connection waits. */
void pool_size_recount(struct pool *pool)
{
    enum { TRIES = 8 };
    bool is_right = false;

    for (int i = 0; i < TRIES && !is_right; i++) {
        uint64_t before = atomic_load(&pool->scoreboard->idle);
        uint64_t counted = pool_count_state(pool, SCOREBOARD_IDLE);

        is_right = atomic_compare_exchange_strong(&pool->scoreboard->idle, &before,
                                                  (before & ~(uint64_t)UINT32_MAX) + counted);
    }
}

/* ---- forking ---- */

static bool is_paused(const struct pool *pool)
{
    return ev_is_active(&pool->size.throttle);
}

static void log_throttle(const struct pool *pool, const char *why)
{
    struct log_line line;

    log_begin(&line, EVENT_FORK_THROTTLED);
    log_add(&line, "instance", pool->instance->section.name);
    log_add_duration(&line, "pause", pool->size.pause.pause_ms);
    log_add_text(&line, "reason", why);
    log_end(&line);
}

static void throttle(struct pool *pool, const char *why, const struct back_off_limits *limits)
{
    struct back_off *pause = &pool->size.pause;
    int64_t last_ms = pause->pause_ms;
    int64_t pause_ms;

    if (is_paused(pool))
        return;
    pause_ms = back_off_next_ms(pause, limits, clock_now_ms());
    if (pause_ms != last_ms || pause_ms == limits->min_ms)
        log_throttle(pool, why);
    scoreboard_add(&pool->memory->totals->throttled, 1);
    ev_timer_set(&pool->size.throttle, (double)pause_ms / 1e3, 0.0);
    ev_timer_start(EV_DEFAULT, &pool->size.throttle);
}

void pool_size_throttle(struct pool *pool, const char *why)
{
    throttle(pool, why, &after_deaths);
}

void pool_size_fail_start(struct pool *pool)
{
    atomic_store(&pool->scoreboard->has_started, 0);
    pool_size_throttle(pool, "a worker died before its first session");
}

void pool_size_start_helper(struct pool *pool)
{
    if (pool_fork_helper(pool) == -1)
        throttle(pool, strerror(errno), &after_failed_forks);
}

/* While it is not known whether a worker can start, there is one that tries. */
static size_t most_at_once(const struct pool *pool)
{
    if (atomic_load(&pool->scoreboard->has_started) != 0)
        return SIZE_MAX;
    return pool_count_state(pool, SCOREBOARD_STARTING) == 0 ? 1 : 0;
}

/* Forks up to `count` workers, within max_workers. Returns how many were. */
static size_t fork_workers(struct pool *pool, size_t count)
{
    size_t most = room(pool);
    size_t forked;

    if (count > most)
        count = most;
    if (count > most_at_once(pool))
        count = most_at_once(pool);
    forked = pool_fork_workers(pool, count);
    if (forked < count)
        throttle(pool, strerror(errno), &after_failed_forks);
    return forked;
}

void pool_size_refill(struct pool *pool)
{
    size_t wanted = wanted_workers(pool);
    size_t serving = count_serving(pool);

    if (pool->state == POOL_RUNNING && serving < wanted && !is_paused(pool))
        (void)fork_workers(pool, wanted - serving);
}

static void on_throttle_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;

    (void)loop;
    (void)events;
    if (pool->helper_pid == 0)
        pool_size_start_helper(pool);
    pool_size_refill(pool);
}

static void grow(struct pool *pool, size_t count)
{
    if (is_paused(pool) || fork_workers(pool, count) == 0)
        return;
    if (count_serving(pool) <= wanted_workers(pool))
        return;
    memset(pool->size.unused, 0, sizeof(pool->size.unused));
    if (!ev_is_active(&pool->size.shrink))
        ev_timer_again(EV_DEFAULT, &pool->size.shrink);
}

/* ---- surplus ---- */

/* Waits for a connection, or to be called, and serves no last sessions. */
static bool is_unused(const struct scoreboard_slot *worker)
{
    enum scoreboard_state state = scoreboard_state(worker);

    return (state == SCOREBOARD_IDLE || state == SCOREBOARD_RESTING) &&
           atomic_load(&worker->session_count) == 0;
}

/* The fewest that had nothing to do at any of the last checks: clients come in waves, and a worker
 * that waits for the next wave is no surplus. */
static size_t least_unused(struct pool_size *size, size_t unused)
{
    size_t least = unused;

    size->unused[size->shrink_checks++ % POOL_SHRINK_CHECKS] = unused;
    for (size_t i = 0; i < POOL_SHRINK_CHECKS; i++)
        if (size->unused[i] < least)
            least = size->unused[i];
    return least;
}

/* Of the workers that have long been idle beyond those kept ready, half leave each second. */
static void on_shrink(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;
    size_t idle = least_unused(&pool->size, count_unused(pool));
    size_t wanted = wanted_workers(pool);
    size_t surplus = idle > wanted ? (idle - wanted + 1) / 2 : 0;

    (void)events;
    for (size_t i = pool->workers_end; i > 0 && surplus > 0; i--) {
        if (!is_unused(pool_worker_slot(pool, i - 1)))
            continue;
        pool_signal(pool, i - 1, WORKER_SIGNAL_RETIRE);
        surplus--;
    }
    if (count_serving(pool) <= wanted)
        ev_timer_stop(loop, timer);
}

/* ---- polling the queue ---- */

/* The master sleeps: woken by the next worker that takes the last place, or, while no worker is
 * idle, by the next connection that finds none. */
static void sleep_until_needed(struct pool *pool)
{
    pool_rest_call_all(pool);
    ev_timer_stop(EV_DEFAULT, &pool->size.poll);
    ev_io_stop(EV_DEFAULT, &pool->size.waiting);
    atomic_store(&pool->scoreboard->queue, 0);
    pool_full_is_over(pool);
    pool_size_recount(pool);
    atomic_store(&pool->scoreboard->is_master_awake, 0);
    if (scoreboard_idle(pool->scoreboard) > 0)
        return;
    atomic_store(&pool->scoreboard->is_master_awake, 1);
    ev_io_start(EV_DEFAULT, &pool->size.waiting);
}

static void start_polling(struct pool *pool)
{
    struct pool_size *size = &pool->size;

    ev_io_stop(EV_DEFAULT, &size->waiting);
    size->calm_polls = 0;
    size->still_polls = 0;
    size->trial_polls = 0;
    size->pace = 0;
    size->slow_pace = 0;
    size->pace_before_trial = 0;
    size->accepted_before = atomic_load(&pool->scoreboard->accepted);
    size->polled_ms = clock_now_ms();
    pool_rest_begin(pool, size->accepted_before);
    pool_queue_begin(pool);
    cpu_idle_begin(&size->cpu);
    ev_timer_again(EV_DEFAULT, &size->poll);
}

/* How much longer than it should be the time since the last poll was: the master may have forked many
 * workers, or have had no turn. What was taken meanwhile is no higher pace. */
static double delay_of_poll(struct pool_size *size)
{
    int64_t now_ms = clock_now_ms();
    double delay = (double)(now_ms - size->polled_ms) / POOL_POLL_MS;

    size->polled_ms = now_ms;
    return delay > 1 ? delay : 1;
}

/* Keeps the average of what is taken between two polls, over the last few. Places that were made
 * by shedding do not count: the queue would seem to move by itself, and the shedding would stop. */
static void follow_pace(struct pool_size *size, uint64_t accepted, double delay)
{
    double taken = ((double)(accepted - size->accepted_before) - size->made_room) / delay;

    if (taken < 0)
        taken = 0;
    size->accepted_before = accepted;
    size->made_room = 0;
    size->still_polls = taken > 0 ? 0 : size->still_polls + 1;
    size->trial_polls++;
    size->pace += (taken - size->pace) / WAIT_NOTED_POLLS;
    size->slow_pace += (taken - size->slow_pace) / SHED_POLLS;
}

/* How many polls the last in the queue has to wait at this pace. */
static double wait_in_polls(size_t queue, double pace)
{
    return pace > 0 ? (double)queue / pace : 0;
}

/* No processor is idle, and the wait is very long: the pool may grow and see what comes of it. It
 * grows again if it then took more than before. */
static bool is_worth_trying(struct pool_size *size)
{
    if (size->trial_polls < TRIAL_POLLS || size->slow_pace < TRIAL_GAIN * size->pace_before_trial)
        return false;
    size->trial_polls = 0;
    size->pace_before_trial = size->slow_pace;
    return true;
}

static bool is_worth_growing(struct pool_size *size, size_t queue)
{
    double wait = wait_in_polls(queue, size->pace);

    if (cpu_idle_has_time(&size->cpu))
        return size->still_polls >= STALL_POLLS || wait > WAIT_NOTED_POLLS;
    return size->still_polls >= STALL_BUSY_POLLS ||
           (wait > WAIT_LONG_POLLS && is_worth_trying(size));
}

static void relieve(struct pool *pool, size_t queue)
{
    struct pool_size *size = &pool->size;
    size_t needed = (queue + pool->places - 1) / pool->places;

    /* Those that rest are called before the pool grows or a session has to make room. */
    if (pool_rest_has_resting(pool)) {
        if (cpu_idle_has_time(&size->cpu) ||
            (size->still_polls >= STALL_POLLS && pool_rest_is_lull(pool, size->still_polls)))
            pool_rest_call_more(pool);
        return;
    }
    if (room(pool) > 0) {
        if (is_worth_growing(size, queue))
            grow(pool, needed < pool->alive ? needed : pool->alive);
    } else if (size->still_polls >= SHED_POLLS ||
               wait_in_polls(queue, size->slow_pace) > POOL_ROOM_POLLS) {
        size->made_room += pool_make_room(pool, queue);
    }
}

/* The pool can neither grow nor call workers that rest. */
static bool is_full(const struct pool *pool)
{
    return room(pool) == 0 && !pool_rest_has_resting(pool);
}

/* There are sessions that stay, and none of them stalls the queue yet: have a few workers ready for
 * the next ones. */
static void keep_reserve(struct pool *pool)
{
    size_t reserve = (wanted_workers(pool) + 3) / 4;
    size_t unused = count_unused(pool);

    if (unused < reserve && room(pool) > 0)
        grow(pool, reserve - unused);
}

/* While the processors have no time, workers that rest must not be called for a short lull. */
static void stay_calm(struct pool *pool)
{
    bool is_busy = !cpu_idle_has_time(&pool->size.cpu);

    pool->size.calm_polls++;
    if (pool->size.calm_polls == CALM_POLLS)
        keep_reserve(pool);
    if (pool->size.calm_polls >= (is_busy ? CALM_BUSY_POLLS : CALM_POLLS))
        sleep_until_needed(pool);
}

static void on_poll(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;
    struct pool_size *size = &pool->size;
    int queue = listener_queue(pool->listener);
    double delay = delay_of_poll(size);

    (void)loop;
    (void)events;
    if (queue < 0)
        queue = 0;
    follow_pace(size, atomic_load(&pool->scoreboard->accepted), delay);
    pool_rest_follow(pool, size->accepted_before, delay);
    if (!cpu_idle_has_time(&size->cpu))
        pool_rest_send(pool);
    atomic_store(&pool->scoreboard->queue, (uint32_t)queue);
    if (queue > 0 && count_idle(pool) == 0) {
        size->calm_polls = 0;
        relieve(pool, (size_t)queue);
        if (is_full(pool))
            pool_full_goes_on(pool, (size_t)queue);
        pool_queue_check(pool, (size_t)queue);
    } else {
        stay_calm(pool);
    }
}

/* The descriptor does not block, but all workers share its flags, and one that was taken over may
 * have changed them: the master must not sleep here. Linux before 5.8 cannot be told so. */
static bool take_notice(int fd)
{
    uint64_t count;
    struct iovec into = {.iov_base = &count, .iov_len = sizeof(count)};
    ssize_t length = preadv2(fd, &into, 1, -1, RWF_NOWAIT);

    if (length == -1 && (errno == EOPNOTSUPP || errno == ENOSYS))
        length = read(fd, &count, sizeof(count));
    return length == (ssize_t)sizeof(count);
}

static void mend_listener(struct pool *pool)
{
    listener_mend(pool->listener, pool->instance->values, pool->places > 1);
}

static void on_notified(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct pool *pool = watcher->data;

    (void)loop;
    (void)events;
    mend_listener(pool); /* a worker whose accept() fails says so */
    if (take_notice(watcher->fd) && !ev_is_active(&pool->size.poll))
        start_polling(pool);
    if (atomic_exchange(&pool->scoreboard->is_helper_silent, 0) != 0)
        helper_watch_check(&pool->helper_watch);
    pool_size_refill(pool); /* a worker may have said that it could start, or that it leaves */
}

static void on_waiting(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    start_polling(watcher->data);
}

/* Every worker can write the shared memory and change the shared socket. What the master relies on
 * is written again now and then, so that one that was taken over cannot put the pool to sleep. */
static void on_check(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;

    (void)loop;
    (void)events;
    mend_listener(pool);
    if (ev_is_active(&pool->size.poll))
        pool_rest_restore(pool);
    else
        sleep_until_needed(pool);
}

/* ---- set-up ---- */

void pool_size_init(struct pool *pool)
{
    struct pool_size *size = &pool->size;

    ev_init(&size->notified, on_notified);
    ev_init(&size->waiting, on_waiting);
    ev_timer_init(&size->poll, on_poll, 0.0, POOL_POLL_MS / 1e3);
    ev_timer_init(&size->shrink, on_shrink, 0.0, SHRINK_S);
    ev_timer_init(&size->throttle, on_throttle_over, 0.0, 0.0);
    ev_timer_init(&size->check, on_check, CHECK_S, CHECK_S);
    size->notified.data = size->waiting.data = size->poll.data = size->shrink.data =
        size->throttle.data = size->check.data = pool;
}

void pool_size_start(struct pool *pool)
{
    ev_io_set(&pool->size.notified, pool->notify_fd, EV_READ);
    ev_io_set(&pool->size.waiting, pool->listener->fd, EV_READ);
    ev_io_start(EV_DEFAULT, &pool->size.notified);
    ev_timer_start(EV_DEFAULT, &pool->size.check);
}

void pool_size_stop(struct pool *pool)
{
    ev_io_stop(EV_DEFAULT, &pool->size.notified);
    ev_io_stop(EV_DEFAULT, &pool->size.waiting);
    ev_timer_stop(EV_DEFAULT, &pool->size.poll);
    ev_timer_stop(EV_DEFAULT, &pool->size.shrink);
    ev_timer_stop(EV_DEFAULT, &pool->size.throttle);
    ev_timer_stop(EV_DEFAULT, &pool->size.check);
    if (pool->scoreboard != NULL)
        atomic_store(&pool->scoreboard->queue, 0);
}
