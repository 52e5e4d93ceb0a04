/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many tasks in one process: each is a coroutine that sleeps in wait_for() as if it had the process
 * to itself, while the loop here runs the others. There is one scheduler a process.
 *
 * Each descriptor is told to the kernel once, edge-triggered, and its readiness remembered, so a
 * wait makes no system call of its own. A task's deadline moves later without any work; only when
 * the old one has come is the new one looked at. What a task that sleeps for long does not need of
 * its stack is given back to the system.
 */
#ifndef IO_SCHEDULER_H
#define IO_SCHEDULER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/coroutine.h"
#include "io/timers.h"

/* The first member of an object that a task works on; see struct coroutine. */
struct task {
    struct coroutine coroutine;
    void (*run)(struct task *self);
    struct task *next; /* of all */
    struct task *previous;
    struct task *next_ready;
    struct pollfd *fds; /* what it sleeps for */
    unsigned count;
    unsigned waits; /* since it last slept */
    int64_t deadline_ms;
    int64_t asleep_ms; /* since when */
    struct timer timer;
    bool is_asleep;
    bool is_ready; /* in the line of those to be run */
    bool is_stopped;
    bool is_trimmed;
};

/* A descriptor that the loop itself listens to, level-triggered. */
struct watcher {
    int fd;
    void (*on_ready)(void *context);
    void *context;
};

/* Makes the scheduler and lets wait_for() go through it. It serves descriptors below
 * `descriptors`, and that many tasks. Returns 0, or -1 with errno set. */
int scheduler_open(size_t descriptors);

/* Makes a task in an object of `size` octets, as coroutine_new() does, which will call `run` in its
 * turn, beginning with the next one. NULL when there is no memory. */
void *task_new(size_t size, void (*run)(struct task *self));

/* Every wait of the task, also the one going on, returns IO_STOPPED, until it says itself
 * wait_clear_stop(). */
void task_stop(struct task *task);
/* Takes a stop back that the task may not have seen yet. */
void task_clear_stop(struct task *task);
void scheduler_stop_tasks(void);

/* Listens, or stops listening. `is_exclusive`: one of the processes that share the descriptor is
 * woken, not all of them. A watcher must stay until it is removed. Returns 0, or -1 with errno
 * set. */
int scheduler_watch(struct watcher *watcher, bool is_exclusive);
void scheduler_unwatch(struct watcher *watcher);

/* How many tasks there are. */
size_t scheduler_tasks(void);

/* Lets tasks and watchers have their turn, sleeping when there is nothing to do, until `is_over`
 * says so, which is asked once a turn. */
void scheduler_run(bool (*is_over)(void));

#endif
