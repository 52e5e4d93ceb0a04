/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many tasks in one process: each is a coroutine that sleeps in wait_for() as if it had the process
 * to itself, while the loop here runs the others. A process has one scheduler.
 *
 * Why not libev, which the master uses: each descriptor is registered with epoll once,
 * edge-triggered, and its readiness is remembered, so a wait makes no system call of its own. The
 * same scheduler over libev made 3.2 calls of epoll_ctl() a poll session instead of 2, and cost 4 %
 * more CPU (80 interleaved pairs of runs; half of them between 0.3 and 8 %); a fetch cost 3 % more.
 *
 * Fairness: a task that goes on for a millisecond without sleeping, because it finds its descriptors
 * ready each time, has to let others run. It then waits in a queue of its own, of which one task
 * runs in each turn of the loop. So, however many tasks are busy, those that sleep between their
 * steps are delayed by one millisecond a turn.
 *
 * A task that sleeps long gives the part of its stack that it does not use back to the system.
 */
#ifndef IO_SCHEDULER_H
#define IO_SCHEDULER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "io/coroutine.h"

/* A point in time at which the loop does something. */
struct timer {
    struct heap_item item;
    int64_t at_ms;
};

/* Must be the first member of the object that a task works on; see struct coroutine. */
struct task {
    struct coroutine coroutine;
    void (*run)(struct task *self);
    struct task *next; /* in the list of all tasks */
    struct task *previous;
    struct task *next_ready;
    struct pollfd *fds; /* it sleeps until one of these is ready, */
    unsigned count;
    int64_t deadline_ms; /* or until then */
    int64_t asleep_ms;   /* when it fell asleep */
    int64_t busy_since_us; /* when it first went on without sleep; 0: not since it last slept */
    struct timer timer;
    bool is_asleep;
    bool is_ready; /* in one of the queues of those to be run */
    bool is_stopped;
    bool is_trimmed;
};

/* A descriptor, level-triggered, for which the loop calls a function. */
struct watcher {
    int fd;
    void (*on_ready)(void *context);
    void *context;
};

/* Makes the scheduler, and lets wait_for() use it. It serves descriptors below `descriptors`.
 * Returns 0, or -1 with errno set. */
int scheduler_open(size_t descriptors);

/* Makes a task in an object of `size` octets, as coroutine_new() does. It calls `run` in the next
 * turn of the loop. Returns NULL without memory. */
void *task_new(size_t size, void (*run)(struct task *self));

/* The wait that the task is in, and every later one, returns IO_STOPPED, until the task calls
 * wait_clear_stop(). */
void task_stop(struct task *task);
void scheduler_stop_tasks(void); /* all of them */

/* Adds a watcher, or removes it; it must stay until then. `is_exclusive`: the kernel wakes one of
 * the processes that watch the descriptor, not all of them. Returns 0, or -1 with errno set. */
int scheduler_watch(struct watcher *watcher, bool is_exclusive);
void scheduler_unwatch(struct watcher *watcher);

/* The number of tasks. */
size_t scheduler_tasks(void);

/* Runs tasks and watchers, and sleeps when there is nothing to do, until `is_over` returns true; it
 * is called once in each turn of the loop. */
void scheduler_run(bool (*is_over)(void));

#endif
