/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A turn of the loop: sleep in epoll and note which descriptors are ready, fire the timers that are
 * due, run the tasks that are ready. All events of a turn are noted before any task runs. So a task
 * sees both its sides as they were at one moment, and no event is for a descriptor that a task has
 * closed meanwhile.
 */
#include "io/scheduler.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "io/wait.h"

enum {
    EVENTS_MAX = 256,     /* taken in one turn */
    SLICE_US = 1000,      /* a task that does not sleep for this long lets others run */
    TRIM_AFTER_MS = 1000, /* of sleep */
    /* Unused memory that is kept for the next rush. More is given back once a second. */
    STACKS_KEPT = 64,
    BLOCKS_KEPT = 32,
    HOUSEKEEPING_MS = 1000,
    /* At most this many timers fire, and stacks are given back, in one turn. */
    CHORES_IN_A_ROW = 256,
    HOUSEKEEPING_SOON_MS = 50,
};

/* What is known of a descriptor. The masks have the bits EPOLLIN and EPOLLOUT. */
struct descriptor {
    union {
        struct task *task; /* sleeps until it is ready; NULL: none */
        struct watcher *watcher;
    };
    unsigned char watched; /* directions that are registered with epoll */
    unsigned char ready;   /* directions that were ready when the kernel last reported them */
    unsigned char
        doubted; /* of these: a wait has returned one as ready, and no wait_note() followed */
    unsigned char ended; /* directions in which no attempt will ever have to wait again */
    bool is_broken;      /* both directions have ended: POLLHUP */
    bool is_urgent;      /* urgent data has come: a short read may have ended there, and not at the
                          * end of what has arrived */
    bool is_shared;      /* several tasks have slept for it at once */
    bool is_watcher;
};

/* Tasks to be run, the one that came first in front. */
struct queue {
    struct task *first;
    struct task **end; /* where the next one goes */
};

static struct {
    int epoll_fd;
    struct descriptor *descriptors;
    size_t descriptor_count;
    struct heap timers; /* the earliest one first */
    struct timer housekeeping;
    int64_t now_ms; /* when the last sleep ended */
    struct task *tasks;
    size_t task_count;
    struct queue ready; /* what they slept for has come */
    struct queue busy;  /* they have used up a slice of time */
    struct task *current;
} scheduler;

/* ---- which task runs next ---- */

static void empty_queue(struct queue *queue)
{
    *queue = (struct queue){.end = &queue->first};
}

static void put_in_queue(struct queue *queue, struct task *task)
{
    task->is_ready = true;
    task->next_ready = NULL;
    *queue->end = task;
    queue->end = &task->next_ready;
}

static void make_ready(struct task *task)
{
    if (!task->is_ready)
        put_in_queue(&scheduler.ready, task);
}

static void run_task(struct task *task)
{
    task->is_ready = false;
    task->busy_since_us = 0;
    wait_pass();
    scheduler.current = task;
    (void)coroutine_resume(&task->coroutine);
    scheduler.current = NULL;
}

/* A task that becomes ready meanwhile runs in the next turn, after new events. */
static void run_ready(void)
{
    struct task *task = scheduler.ready.first;

    empty_queue(&scheduler.ready);
    while (task != NULL) {
        struct task *next = task->next_ready;
        run_task(task);
        task = next;
    }
}

static void run_one_busy(void)
{
    struct task *task = scheduler.busy.first;

    if (task == NULL)
        return;
    scheduler.busy.first = task->next_ready;
    if (scheduler.busy.first == NULL)
        empty_queue(&scheduler.busy);
    run_task(task);
}

/* For a running task that goes on without sleep: lets others run once it has done so for a slice of
 * time. */
static void share_time(struct task *task)
{
    int64_t now_us = clock_now_us();

    if (task->busy_since_us == 0)
        task->busy_since_us = now_us;
    else if (now_us - task->busy_since_us >= SLICE_US) {
        put_in_queue(&scheduler.busy, task);
        coroutine_suspend();
    }
}

/* ---- timers ---- */

static struct timer *timer_of(const struct heap_item *item)
{
    return HEAP_OWNER(item, struct timer, item);
}

static bool is_earlier(const struct heap_item *a, const struct heap_item *b)
{
    return timer_of(a)->at_ms < timer_of(b)->at_ms;
}

/* The earliest timer; NULL when none is set. */
static struct timer *first_timer(void)
{
    return scheduler.timers.count > 0 ? timer_of(heap_first(&scheduler.timers)) : NULL;
}

static void timer_set(struct timer *timer, int64_t at_ms)
{
    timer->at_ms = at_ms;
    heap_put(&scheduler.timers, &timer->item);
}

/* Takes out the earliest timer if it is due; else returns NULL. */
static struct timer *take_due_timer(void)
{
    struct timer *first = first_timer();

    if (first == NULL || first->at_ms > scheduler.now_ms)
        return NULL;
    heap_remove(&scheduler.timers, &first->item);
    return first;
}

/*
 * Makes sure that the timer of a sleeping task fires in time. A deadline mostly moves to later,
 * with each read or write: the timer then stays where it is. When it fires, on_timer() checks
 * whether the deadline has really passed, and sets it again if not.
 */
static void set_timer(struct task *task)
{
    int64_t at_ms = task->deadline_ms;

    if (!task->is_trimmed)
        at_ms = clock_earlier(at_ms, task->asleep_ms + TRIM_AFTER_MS);
    if (at_ms != CLOCK_NEVER && (!heap_has(&task->timer.item) || task->timer.at_ms > at_ms))
        timer_set(&task->timer, at_ms);
}

static void on_timer(struct task *task)
{
    if (!task->is_asleep)
        return; /* its next sleep sets the timer again */
    if (task->deadline_ms <= scheduler.now_ms) {
        make_ready(task);
        return;
    }
    if (!task->is_trimmed && scheduler.now_ms >= task->asleep_ms + TRIM_AFTER_MS) {
        coroutine_trim(&task->coroutine);
        task->is_trimmed = true;
    }
    set_timer(task);
}

/* Gives memory that a rush has left unused back to the system. */
static void keep_house(void)
{
    buffer_pool_trim(BLOCKS_KEPT);
    if (!coroutine_trim_unused(STACKS_KEPT, CHORES_IN_A_ROW))
        timer_set(&scheduler.housekeeping, scheduler.now_ms + HOUSEKEEPING_SOON_MS);
}

static void fire_timers(void)
{
    for (int i = 0; i < CHORES_IN_A_ROW; i++) {
        struct timer *timer = take_due_timer();

        if (timer == NULL)
            return;
        if (timer == &scheduler.housekeeping)
            keep_house();
        else
            on_timer(HEAP_OWNER(timer, struct task, timer));
    }
}

/* ---- descriptors ---- */

/* Registers the descriptor with epoll, which first reports how it is now. */
static int register_with_epoll(int fd, struct descriptor *descriptor, unsigned char watched)
{
    struct epoll_event event = {.events = watched | EPOLLPRI | EPOLLRDHUP | EPOLLET,
                                .data = {.fd = fd}};
    int operation = descriptor->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (epoll_ctl(scheduler.epoll_fd, operation, fd, &event) == -1)
        return -1;
    descriptor->watched = watched;
    return 0;
}

/* Registers what a wait needs and is not registered yet. Input is always included; room to write
 * only once a task has waited for it. */
static int make_known(const struct pollfd *wanted)
{
    unsigned char watched = EPOLLIN | (wanted->events & POLLOUT ? EPOLLOUT : 0);
    struct descriptor *descriptor;

    if ((size_t)wanted->fd >= scheduler.descriptor_count) {
        errno = EMFILE;
        return -1;
    }
    descriptor = &scheduler.descriptors[wanted->fd];
    if ((watched & ~descriptor->watched) == 0)
        return 0;
    return register_with_epoll(wanted->fd, descriptor, watched | descriptor->watched);
}

/* Asks the kernel, where no wait_note() has said what became of the last readiness. */
static void resolve_doubt(int fd, struct descriptor *descriptor, short events)
{
    struct pollfd one = {.fd = fd, .events = events};

    if ((descriptor->doubted & descriptor->ready & events) == 0)
        return;
    if (poll(&one, 1, 0) >= 0)
        descriptor->ready &= (unsigned char)(one.revents | ~events);
    descriptor->doubted &= (unsigned char)~events;
}

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLIN < 256 && EPOLLOUT < 256,
               "epoll's bits are poll's, and fit");

/* Fills in revents. Returns how many descriptors are ready. */
static unsigned collect(struct pollfd *fds, unsigned count)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < count; i++) {
        struct descriptor *descriptor;

        fds[i].revents = 0;
        if (fds[i].fd == -1)
            continue;
        descriptor = &scheduler.descriptors[fds[i].fd];
        resolve_doubt(fds[i].fd, descriptor, fds[i].events);
        fds[i].revents = (short)((descriptor->ready | descriptor->ended) & fds[i].events);
        descriptor->doubted |= (unsigned char)fds[i].revents;
        if (descriptor->is_broken)
            fds[i].revents |= POLLHUP;
        ready += fds[i].revents != 0;
    }
    return ready;
}

/* ---- sleeping ---- */

static void attach(struct task *task, struct pollfd *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct descriptor *descriptor;

        if (fds[i].fd == -1)
            continue;
        descriptor = &scheduler.descriptors[fds[i].fd];
        if (descriptor->task != NULL && descriptor->task != task)
            descriptor->is_shared = true;
        descriptor->task = task;
    }
    task->fds = fds;
    task->count = count;
}

static void detach(struct task *task)
{
    for (unsigned i = 0; i < task->count; i++)
        if (task->fds[i].fd != -1 && scheduler.descriptors[task->fds[i].fd].task == task)
            scheduler.descriptors[task->fds[i].fd].task = NULL;
    task->count = 0;
}

static void sleep_until(struct task *task, struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    task->deadline_ms = deadline_ms;
    task->asleep_ms = scheduler.now_ms;
    task->is_trimmed = false;
    set_timer(task);
    attach(task, fds, count);
    task->is_asleep = true;
    coroutine_suspend();
    task->is_asleep = false;
    detach(task);
}

/* wait_for() with CLOCK_PASSED: asks how the descriptors are at this very moment. */
static enum io_status check_once(struct pollfd *fds, unsigned count)
{
    int ready = poll(fds, count, 0);

    if (ready == 0)
        return IO_DEADLINE;
    return ready > 0 ? IO_OK : IO_FAILED;
}

static enum io_status wait_in_task(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    struct task *task = scheduler.current;

    if (task->is_stopped)
        return IO_STOPPED;
    if (deadline_ms == CLOCK_PASSED)
        return check_once(fds, count);
    for (unsigned i = 0; i < count; i++)
        if (fds[i].fd != -1 && make_known(&fds[i]) == -1)
            return IO_FAILED;
    if (collect(fds, count) > 0) {
        share_time(task);
        return IO_OK;
    }
    do {
        if (deadline_ms <= scheduler.now_ms)
            return IO_DEADLINE;
        sleep_until(task, fds, count, deadline_ms);
        if (task->is_stopped)
            return IO_STOPPED;
    } while (collect(fds, count) == 0);
    return IO_OK;
}

static void pause_task(void)
{
    if (scheduler.current != NULL)
        share_time(scheduler.current);
}

static struct descriptor *known_descriptor(int fd)
{
    return fd >= 0 && (size_t)fd < scheduler.descriptor_count ? &scheduler.descriptors[fd] : NULL;
}

static void note(int fd, short event, bool is_exhausted)
{
    struct descriptor *descriptor = known_descriptor(fd);

    if (descriptor == NULL || (descriptor->is_urgent && event == POLLIN))
        return; /* it stays in doubt */
    descriptor->doubted &= (unsigned char)~event;
    if (is_exhausted)
        descriptor->ready &= (unsigned char)~event;
}

static void forget(int fd)
{
    struct descriptor *descriptor = known_descriptor(fd);

    if (descriptor != NULL)
        *descriptor = (struct descriptor){0};
}

static void clear_own_stop(void)
{
    if (scheduler.current != NULL)
        scheduler.current->is_stopped = false;
}

/* ---- tasks ---- */

static void link_task(struct task *task)
{
    task->next = scheduler.tasks;
    if (task->next != NULL)
        task->next->previous = task;
    scheduler.tasks = task;
    scheduler.task_count++;
}

static void unlink_task(struct task *task)
{
    if (task->previous != NULL)
        task->previous->next = task->next;
    else
        scheduler.tasks = task->next;
    if (task->next != NULL)
        task->next->previous = task->previous;
    scheduler.task_count--;
}

/* The last function that runs on the task's own stack. */
static void end_task(struct task *task)
{
    heap_remove(&scheduler.timers, &task->timer.item);
    unlink_task(task);
    if (!heap_has(&scheduler.housekeeping.item))
        timer_set(&scheduler.housekeeping, scheduler.now_ms + HOUSEKEEPING_MS);
}

static void run_to_end(struct coroutine *coroutine)
{
    struct task *task = (struct task *)coroutine;

    task->run(task);
    end_task(task);
}

void *task_new(size_t size, void (*run)(struct task *self))
{
    struct task *task;

    /* A timer for each task, and the housekeeping. */
    if (!heap_reserve(&scheduler.timers, scheduler.task_count + 2))
        return NULL;
    task = coroutine_new(size, run_to_end);
    if (task == NULL)
        return NULL;
    task->run = run;
    link_task(task);
    make_ready(task);
    return task;
}

void task_stop(struct task *task)
{
    task->is_stopped = true;
    if (task->is_asleep)
        make_ready(task);
}

void scheduler_stop_tasks(void)
{
    for (struct task *task = scheduler.tasks; task != NULL; task = task->next)
        task_stop(task);
}

size_t scheduler_tasks(void)
{
    return scheduler.task_count;
}

/* ---- watchers ---- */

int scheduler_watch(struct watcher *watcher, bool is_exclusive)
{
    struct epoll_event event = {.events = EPOLLIN | (is_exclusive ? EPOLLEXCLUSIVE : 0),
                                .data = {.fd = watcher->fd}};
    struct descriptor *descriptor = known_descriptor(watcher->fd);

    if (descriptor == NULL) {
        errno = EMFILE;
        return -1;
    }
    if (epoll_ctl(scheduler.epoll_fd, EPOLL_CTL_ADD, watcher->fd, &event) == -1)
        return -1;
    *descriptor = (struct descriptor){.watcher = watcher, .watched = EPOLLIN, .is_watcher = true};
    return 0;
}

void scheduler_unwatch(struct watcher *watcher)
{
    struct epoll_event unused = {0};

    (void)epoll_ctl(scheduler.epoll_fd, EPOLL_CTL_DEL, watcher->fd, &unused);
    forget(watcher->fd);
}

/* ---- events ---- */

static bool is_waiting_for(const struct task *task, int fd, unsigned char directions)
{
    for (unsigned i = 0; i < task->count; i++)
        if (task->fds[i].fd == fd && (task->fds[i].events & directions) != 0)
            return true;
    return false;
}

static void wake_all_that_wait_for(int fd, unsigned char directions)
{
    for (struct task *task = scheduler.tasks; task != NULL; task = task->next)
        if (is_waiting_for(task, fd, directions))
            make_ready(task);
}

static void take_events_of(int fd, uint32_t events)
{
    struct descriptor *descriptor = &scheduler.descriptors[fd];
    unsigned char ready = events & (EPOLLIN | EPOLLOUT);

    if (descriptor->watched == 0)
        return;
    if (descriptor->is_watcher) {
        descriptor->watcher->on_ready(descriptor->watcher->context);
        return;
    }
    if (events & EPOLLPRI)
        descriptor->is_urgent = true;
    if (events & EPOLLRDHUP)
        descriptor->ended |= EPOLLIN;
    if (events & (EPOLLHUP | EPOLLERR)) {
        descriptor->ended |= EPOLLIN | EPOLLOUT;
        descriptor->is_broken = true;
    }
    descriptor->ready |= ready;
    descriptor->doubted &= (unsigned char)~ready;
    ready |= descriptor->ended;
    if (descriptor->is_shared)
        wake_all_that_wait_for(fd, ready);
    else if (descriptor->task != NULL && is_waiting_for(descriptor->task, fd, ready))
        make_ready(descriptor->task);
}

/* The time limit for epoll_wait(); -1: none. */
static int sleep_limit_ms(void)
{
    const struct timer *first = first_timer();
    int64_t left_ms;

    if (scheduler.ready.first != NULL || scheduler.busy.first != NULL)
        return 0;
    if (first == NULL)
        return -1;
    left_ms = first->at_ms - clock_now_ms();
    if (left_ms > INT_MAX)
        return INT_MAX;
    return left_ms > 0 ? (int)left_ms : 0;
}

static void take_events(void)
{
    static struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(scheduler.epoll_fd, events, EVENTS_MAX, sleep_limit_ms());

    scheduler.now_ms = clock_now_ms();
    for (int i = 0; i < count; i++)
        take_events_of(events[i].data.fd, events[i].events);
}

/* ---- the scheduler ---- */

static const struct wait_backend backend = {
    .wait = wait_in_task,
    .note = note,
    .pause = pause_task,
    .forget = forget,
    .clear_stop = clear_own_stop,
};

int scheduler_open(size_t descriptors)
{
    /* calloc() does not touch the memory, so entries that are never used cost none. */
    scheduler.descriptors = calloc(descriptors, sizeof(*scheduler.descriptors));
    scheduler.descriptor_count = descriptors;
    scheduler.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    scheduler.timers.is_before = is_earlier;
    empty_queue(&scheduler.ready);
    empty_queue(&scheduler.busy);
    scheduler.now_ms = clock_now_ms();
    if (scheduler.descriptors == NULL || scheduler.epoll_fd == -1)
        return -1;
    wait_use(&backend);
    return 0;
}

void scheduler_run(bool (*is_over)(void))
{
    while (!is_over()) {
        take_events();
        fire_timers();
        run_ready();
        run_one_busy();
    }
}
