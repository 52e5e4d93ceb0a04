/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sleep of a process that serves one session at a time: ppoll() with the signals let in. Where
 * it serves many, all is handed to the backend.
 */
#include "io/wait.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

static volatile sig_atomic_t stop_requested PROCESS_OWN;
static sigset_t asleep_mask;
static int has_mask;
static const struct wait_backend *backend;
static uint64_t instant PROCESS_OWN = 1;

void wait_use(const struct wait_backend *used)
{
    backend = used;
}

void wait_open_signals(const sigset_t *blocked)
{
    sigprocmask(SIG_BLOCK, blocked, &asleep_mask);
    has_mask = 1;
}

void wait_request_stop(void)
{
    stop_requested = 1;
}

void wait_clear_stop(void)
{
    if (backend != NULL)
        backend->clear_stop();
    else
        stop_requested = 0;
}

int wait_is_stop_requested(void)
{
    return stop_requested;
}

/* Fills the time left; NULL for a deadline that never comes. */
static const struct timespec *time_left(struct timespec *left, int64_t deadline_ms)
{
    if (deadline_ms == CLOCK_NEVER)
        return NULL;

    int64_t left_ms = deadline_ms == CLOCK_PASSED ? 0 : deadline_ms - clock_now_ms();
    if (left_ms < 0)
        left_ms = 0;
    left->tv_sec = (time_t)(left_ms / 1000);
    left->tv_nsec = (long)(left_ms % 1000) * 1000000;
    return left;
}

static enum io_status block(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    for (;;) {
        struct timespec left;

        wait_pass();
        if (stop_requested)
            return IO_STOPPED;
        int ready = ppoll(fds, count, time_left(&left, deadline_ms),
                          has_mask ? &asleep_mask : NULL);
        if (ready > 0)
            return IO_OK;
        if (ready == -1 && errno != EINTR)
            return IO_FAILED;
        if (ready == 0 && (deadline_ms == CLOCK_PASSED || clock_now_ms() >= deadline_ms))
            return IO_DEADLINE;
    }
}

enum io_status wait_for(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    if (backend != NULL)
        return backend->wait(fds, count, deadline_ms);
    return block(fds, count, deadline_ms);
}

enum io_status wait_for_one(int fd, short events, int64_t deadline_ms)
{
    struct pollfd one = {.fd = fd, .events = events};

    return wait_for(&one, 1, deadline_ms);
}

void wait_note(int fd, short event, bool is_exhausted)
{
    if (backend != NULL)
        backend->note(fd, event, is_exhausted);
}

uint64_t wait_instant(void)
{
    return instant;
}

void wait_pass(void)
{
    instant++;
}

bool wait_may_sleep_in_calls(void)
{
    return backend == NULL && !has_mask;
}

void wait_close(int fd)
{
    if (backend != NULL)
        backend->forget(fd);
    close(fd);
}
