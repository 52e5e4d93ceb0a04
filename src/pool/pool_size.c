/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many workers a pool has.
 *
 * While workers are idle the master sleeps. The worker that takes the last idle place wakes it.
 * With nobody idle it watches the listening socket; once a connection waits there it looks every
 * few milliseconds, and knows from what was taken lately how long the last in the queue will wait.
 *
 * A small pool whose sessions finish quickly serves best, and more processes do not help a
 * processor that has no time left. So while processors are idle the pool grows, doubling, when
 * nothing was taken for two looks or the wait is noticeable. While they are not it grows when
 * nothing was taken for long, or the wait is very long, and then only as long as growing helps.
 * When it may not grow any further and the queue does not move, sessions that have not logged in
 * make room. Before either, the workers that were sent to rest (pool_rest.c) are called.
 */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "pool/pool.h"
#include "pool/worker.h"

#define SHRINK_S          1.0
#define THROTTLE_MIN_S    0.1
#define THROTTLE_MAX_S    10.0
#define FORK_RETRY_MAX_S  0.4 /* a limit may be lifted at any moment, and a try costs little */
#define THROTTLE_FORGET_S 5.0 /* without a further death the next pause is a short one again */
#define TRIAL_GAIN        1.1 /* growing without idle processors has helped if so much more is taken */

enum {
    CALM_LOOKS = 20,       /* without a stall, before the master sleeps again */
    STALL_LOOKS = 2,       /* in which nothing is taken: the queue stands still */
    STALL_BUSY_LOOKS = 20, /* the same where the processors have no time: nobody had his turn */
    SHED_LOOKS = 20,       /* making room takes a longer look: it costs somebody the session */
    WAIT_NOTED_LOOKS = 4,  /* a wait that is worth a process if there is time for one */
    WAIT_LONG_LOOKS = 200,
    TRIAL_LOOKS = 100, /* so long a pool that has grown without idle processors is watched */
};

size_t pool_count_state(const struct pool *pool, enum scoreboard_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < pool->workers_end; i++)
        count += atomic_load(&pool_worker_slot(pool, i)->state) == (int)state;
    return count;
}

/* Workers that take connections, or will. One with many sessions may take long to leave and is
 * replaced before. */
static size_t count_serving(const struct pool *pool)
{
    size_t leaving = pool->places > 1 ? pool_count_state(pool, SCOREBOARD_LEAVING) : 0;

    return pool->alive > leaving ? pool->alive - leaving : 0;
}

size_t pool_size_room(const struct pool *pool)
{
    size_t max = (size_t)pool->instance->values->max_workers;
    size_t serving = count_serving(pool);
    size_t room = max > serving ? max - serving : 0;
    size_t free_slots = pool->worker_count - pool->alive;

    return room < free_slots ? room : free_slots;
}

void pool_count_afresh(struct pool *pool)
{
    atomic_store(&pool->scoreboard->idle, (int)pool_count_state(pool, SCOREBOARD_IDLE));
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

static bool is_full(const struct pool *pool)
{
    return pool_size_room(pool) == 0;
}

/* ---- throttle ---- */

static void on_throttle_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    struct pool *pool = timer->data;

    (void)events;
    if (pool->helper_pid == 0)
        pool_start_helper(pool);
    pool_size_refill(pool);
}

static void log_throttle(const struct pool *pool, const char *why)
{
    struct log_line line;

    log_begin(&line, EVENT_FORK_THROTTLED);
    log_add(&line, "instance", pool->instance->section.name);
    log_add_duration(&line, "pause", (int64_t)(pool->throttle_s * 1000));
    log_add_text(&line, "reason", why);
    log_end(&line);
}

static void throttle(struct pool *pool, const char *why, double max_s)
{
    double last_s = pool->throttle_s;

    if (ev_is_active(&pool->throttle))
        return;
    if (ev_now(EV_DEFAULT) > pool->throttle_over_s + THROTTLE_FORGET_S)
        last_s = 0;
    pool->throttle_s = last_s == 0 ? THROTTLE_MIN_S : last_s * 2;
    if (pool->throttle_s > max_s)
        pool->throttle_s = max_s;
    if (pool->throttle_s != last_s)
        log_throttle(pool, why);
    scoreboard_add(&pool->memory->totals->throttled, 1);
    pool->throttle_over_s = ev_now(EV_DEFAULT) + pool->throttle_s;
    ev_timer_set(&pool->throttle, pool->throttle_s, 0.0);
    ev_timer_start(EV_DEFAULT, &pool->throttle);
}

void pool_size_throttle(struct pool *pool, const char *why)
{
    throttle(pool, why, THROTTLE_MAX_S);
}

void pool_size_wait_to_fork(struct pool *pool, const char *why)
{
    throttle(pool, why, FORK_RETRY_MAX_S);
}

void pool_size_refill(struct pool *pool)
{
    size_t wanted = wanted_workers(pool);
    size_t serving = count_serving(pool);

    if (pool->state == POOL_RUNNING && serving < wanted && !ev_is_active(&pool->throttle))
        pool_grow(pool, wanted - serving);
}

/* ---- surplus ---- */

/* Waits, and has nobody to see out. */
static bool is_unused(const struct scoreboard_slot *worker)
{
    int state = atomic_load(&worker->state);

    return (state == SCOREBOARD_IDLE || state == SCOREBOARD_RESTING) &&
           atomic_load(&worker->session_count) == 0;
}

/* The fewest that had nothing to do at any of the last looks: clients come in waves, and who waits
 * for the next one is no surplus. */
static size_t least_unused(struct pool *pool)
{
    size_t least = count_unused(pool);

    pool->unused[pool->shrink_looks++ % POOL_SHRINK_LOOKS] = least;
    for (size_t i = 0; i < POOL_SHRINK_LOOKS; i++)
        if (pool->unused[i] < least)
            least = pool->unused[i];
    return least;
}

/* Half of what has long been idle beyond the workers kept ready leaves each second. */
static void on_shrink(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;
    size_t idle = least_unused(pool);
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

static void grow(struct pool *pool, size_t count)
{
    if (ev_is_active(&pool->throttle) || pool_grow(pool, count) == 0)
        return;
    if (count_serving(pool) <= wanted_workers(pool))
        return;
    memset(pool->unused, 0, sizeof(pool->unused));
    if (!ev_is_active(&pool->shrink))
        ev_timer_again(EV_DEFAULT, &pool->shrink);
}

/* ---- looking ---- */

static void look_again_in(struct pool *pool, double seconds)
{
    pool->look.repeat = seconds;
    ev_timer_again(EV_DEFAULT, &pool->look);
}

/* The master sleeps: woken by the next worker that takes the last place, or, while no worker is
 * idle, by the next connection that finds none. */
static void sleep_until_needed(struct pool *pool)
{
    pool_call_all(pool);
    ev_timer_stop(EV_DEFAULT, &pool->look);
    pool_count_afresh(pool);
    atomic_store(&pool->scoreboard->is_master_awake, false);
    if (atomic_load(&pool->scoreboard->idle) > 0)
        return;
    atomic_store(&pool->scoreboard->is_master_awake, true);
    ev_io_start(EV_DEFAULT, &pool->waiting);
}

static void start_looking(struct pool *pool)
{
    ev_io_stop(EV_DEFAULT, &pool->waiting);
    pool->calm_looks = 0;
    pool->still_looks = 0;
    pool->pace = 0;
    pool->slow_pace = 0;
    pool->pace_before_trial = 0;
    pool->trial_looks = 0;
    pool->rest_looks = 0;
    pool->accepted_before = atomic_load(&pool->scoreboard->accepted);
    cpu_idle_begin(&pool->cpu);
    look_again_in(pool, POOL_LOOK_MS / 1e3);
}

/* Keeps the average of what is taken between two looks, over the last few. Places that were made
 * by shedding do not count: the queue would seem to move by itself, and the shedding would stop. */
static void follow_pace(struct pool *pool)
{
    uint64_t accepted = atomic_load(&pool->scoreboard->accepted);
    double taken = (double)(accepted - pool->accepted_before) - pool->made_room;

    if (taken < 0)
        taken = 0;
    pool->accepted_before = accepted;
    pool->made_room = 0;
    pool->still_looks = taken > 0 ? 0 : pool->still_looks + 1;
    pool->trial_looks++;
    pool->pace += (taken - pool->pace) / WAIT_NOTED_LOOKS;
    pool->slow_pace += (taken - pool->slow_pace) / SHED_LOOKS;
}

/* How many looks the last in the queue has to wait at this pace. */
static double wait_in_looks(size_t queue, double pace)
{
    return pace > 0 ? (double)queue / pace : 0;
}

/* No processor is idle, and the wait is very long: the pool may grow and see what comes of it. It
 * grows again if it then took more than before. */
static bool is_worth_trying(struct pool *pool)
{
    if (pool->trial_looks < TRIAL_LOOKS || pool->slow_pace < TRIAL_GAIN * pool->pace_before_trial)
        return false;
    pool->trial_looks = 0;
    pool->pace_before_trial = pool->slow_pace;
    return true;
}

static bool is_worth_growing(struct pool *pool, size_t queue)
{
    double wait = wait_in_looks(queue, pool->pace);

    if (cpu_idle_has_time(&pool->cpu))
        return pool->still_looks >= STALL_LOOKS || wait > WAIT_NOTED_LOOKS;
    return pool->still_looks >= STALL_BUSY_LOOKS ||
           (wait > WAIT_LONG_LOOKS && is_worth_trying(pool));
}

static void relieve(struct pool *pool, size_t queue)
{
    size_t needed = (queue + pool->places - 1) / pool->places;

    /* Those that rest are called before the pool grows or anybody has to make room. */
    if (pool_has_resting(pool)) {
        if (pool->still_looks >= STALL_LOOKS || cpu_idle_has_time(&pool->cpu))
            pool_call_more(pool);
        return;
    }
    if (!is_full(pool)) {
        if (is_worth_growing(pool, queue))
            grow(pool, needed < pool->alive ? needed : pool->alive);
    } else if (pool->still_looks >= SHED_LOOKS ||
               wait_in_looks(queue, pool->slow_pace) > POOL_ROOM_LOOKS) {
        pool->made_room += pool_make_room(pool, queue);
    }
}

/* Sessions that stay, none of which stalls anybody yet: have a few workers ready for the next. */
static void keep_reserve(struct pool *pool)
{
    size_t reserve = (wanted_workers(pool) + 3) / 4;
    size_t idle = count_idle(pool);

    if (idle < reserve && !is_full(pool))
        grow(pool, reserve - idle);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool *pool = timer->data;
    int queue = listener_queue(pool->listener);

    (void)loop;
    (void)events;
    if (queue < 0) /* not known: nobody idle is all there is to see */
        queue = count_idle(pool) == 0;
    follow_pace(pool);
    if (!cpu_idle_has_time(&pool->cpu))
        pool_send_to_rest(pool);
    if (queue > 0 && count_idle(pool) == 0) {
        pool->calm_looks = 0;
        relieve(pool, (size_t)queue);
    } else if (++pool->calm_looks >= CALM_LOOKS) {
        keep_reserve(pool);
        sleep_until_needed(pool);
    }
}

static void on_notified(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct pool *pool = watcher->data;
    uint64_t count;

    (void)loop;
    (void)events;
    if (read(watcher->fd, &count, sizeof(count)) == sizeof(count) && !ev_is_active(&pool->look))
        start_looking(pool);
    pool_size_refill(pool); /* a worker with sessions may have said that it leaves */
}

static void on_waiting(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    start_looking(watcher->data);
}

/* ---- set-up ---- */

void pool_size_init(struct pool *pool)
{
    ev_init(&pool->notified, on_notified);
    ev_init(&pool->waiting, on_waiting);
    ev_timer_init(&pool->look, on_look, 0.0, POOL_LOOK_MS / 1e3);
    ev_timer_init(&pool->shrink, on_shrink, 0.0, SHRINK_S);
    ev_timer_init(&pool->throttle, on_throttle_over, 0.0, 0.0);
    pool->notified.data = pool->waiting.data = pool->look.data = pool->shrink.data =
        pool->throttle.data = pool;
}

void pool_size_start(struct pool *pool)
{
    ev_io_set(&pool->notified, pool->notify_fd, EV_READ);
    ev_io_set(&pool->waiting, pool->listener->fd, EV_READ);
    ev_io_start(EV_DEFAULT, &pool->notified);
}

void pool_size_stop(struct pool *pool)
{
    ev_io_stop(EV_DEFAULT, &pool->notified);
    ev_io_stop(EV_DEFAULT, &pool->waiting);
    ev_timer_stop(EV_DEFAULT, &pool->look);
    ev_timer_stop(EV_DEFAULT, &pool->shrink);
    ev_timer_stop(EV_DEFAULT, &pool->throttle);
    ev_timer_stop(EV_DEFAULT, &pool->insist);
}
