/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The waits of a process that serves one session at a time: ppoll() with the signals open. In a
 * process that serves many, the backend does the work.
 */
#include "io/wait.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/process.h"

enum {
    TRIM_AFTER_MS = 1000,
    SLEEP_MAX_MS = 24 * 3600 * 1000, /* then the deadline is checked again */
};

static volatile sig_atomic_t stop_requested PROCESS_OWN;
static sigset_t asleep_mask;
static bool has_mask; /* asleep_mask is set */
static const struct wait_backend *backend;
static uint64_t instant PROCESS_OWN = 1;

void wait_use(const struct wait_backend *used)
{
    backend = used;
}

void wait_open_signals(const sigset_t *blocked)
{
    sigprocmask(SIG_BLOCK, blocked, &asleep_mask);
    has_mask = true;
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

bool wait_is_stop_requested(void)
{
    return stop_requested != 0;
}

/* The time left until the deadline, at most `most_ms`. */
static struct timespec time_left(int64_t deadline_ms, int64_t most_ms)
{
    int64_t left_ms = most_ms;

    if (deadline_ms == CLOCK_PASSED)
        left_ms = 0;
    else if (deadline_ms != CLOCK_NEVER && deadline_ms - clock_now_ms() < most_ms)
        left_ms = deadline_ms - clock_now_ms();
    if (left_ms < 0)
        left_ms = 0;
    return (struct timespec){.tv_sec = (time_t)(left_ms / 1000),
                             .tv_nsec = (long)(left_ms % 1000) * 1000000};
}

/* The wait has become long: gives memory that the session has used, and does not need now, back to
 * the system. */
static void trim(void)
{
    buffer_pool_trim(0);
    process_trim();
}

static enum io_status block(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    int64_t most_ms = TRIM_AFTER_MS;

    for (;;) {
        struct timespec left;

        wait_pass();
        if (stop_requested)
            return IO_STOPPED;
        left = time_left(deadline_ms, most_ms);
        int ready = ppoll(fds, count, &left, has_mask ? &asleep_mask : NULL);
        if (ready > 0)
            return IO_OK;
        if (ready == -1 && errno != EINTR)
            return IO_FAILED;
        if (ready == 0 && (deadline_ms == CLOCK_PASSED || clock_now_ms() >= deadline_ms))
            return IO_DEADLINE;
        if (ready == 0 && most_ms == TRIM_AFTER_MS) {
            trim();
            most_ms = SLEEP_MAX_MS;
        }
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

void wait_pause(void)
{
    if (backend != NULL)
        backend->pause();
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
