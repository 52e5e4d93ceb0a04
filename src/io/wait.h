/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a session sleeps: every wait of the session code for a peer, the helper or the clock goes
 * through here, so that nothing above knows what blocks, and a wait without a limit cannot be
 * written by accident. Only reading a socket and connecting may sleep in their own calls, with a
 * limit, where wait_may_sleep_in_calls() says so.
 *
 * A process may be told to end its session (wait_request_stop(), called from a signal handler):
 * the wait going on, and every later one, then returns IO_STOPPED. With wait_open_signals() they
 * are let in only while asleep, so none is lost between a check and the sleep; without, one that
 * comes just before is noticed after it, or when it is said again.
 */
#ifndef IO_WAIT_H
#define IO_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What became of an attempt to move octets or to wait for them. */
enum io_status {
    IO_OK = 0,   /* done, or ready */
    IO_AGAIN,    /* nothing now; only from attempts that must not sleep */
    IO_EOF,      /* the peer has ended its direction in good order */
    IO_DEADLINE, /* the deadline passed first */
    IO_STOPPED,  /* this process was told to end the session */
    IO_FAILED,   /* the connection is broken, or the system refused; errno says which */
};

/*
 * Sleeps until one of the `count` descriptors is ready or `deadline_ms` (monotonic clock) has
 * passed. Descriptors of -1 are left out. Returns IO_OK with revents filled in, IO_DEADLINE,
 * IO_STOPPED or IO_FAILED. With CLOCK_PASSED it looks and does not sleep.
 */
enum io_status wait_for(struct pollfd *fds, unsigned count, int64_t deadline_ms);

/* Waits for one descriptor; errors and hang-ups count as ready: the next attempt tells. */
enum io_status wait_for_one(int fd, short events, int64_t deadline_ms);

/*
 * What an attempt to read (POLLIN) or write (POLLOUT) has shown. `is_exhausted`: the kernel had no
 * more, or took no more, so the next wait need not look and sleeps until there is news. Saying so
 * is worth a system call where many sessions share a process, and saying nothing is right as well.
 */
void wait_note(int fd, short event, bool is_exhausted);

/* This process serves one session and has its signals open: a call that sleeps by itself, with a
 * limit of its own, is as good as a wait, and one system call less. */
bool wait_may_sleep_in_calls(void);

/* Closes a descriptor that may have been waited for. Every such one must be closed here. */
void wait_close(int fd);

/*
 * The present instant: another number after each sleep and after each octet sent, which is what
 * takes time here. What was seen at the same instant need not be looked at again. Never 0.
 */
uint64_t wait_instant(void);
/* Time has passed. */
void wait_pass(void);

/* Blocks `blocked` for the process but while it sleeps in wait_for(). Call once, before the first
 * wait. */
void wait_open_signals(const sigset_t *blocked);

/* Async-signal-safe. */
void wait_request_stop(void);
/* Forgets a request: between two sessions of a worker, and for a session's last word. */
void wait_clear_stop(void);
int wait_is_stop_requested(void);

/*
 * Another way to sleep than to block the process: functions as above, for the caller alone.
 */
struct wait_backend {
    enum io_status (*wait)(struct pollfd *fds, unsigned count, int64_t deadline_ms);
    void (*note)(int fd, short event, bool is_exhausted);
    void (*forget)(int fd); /* it is being closed */
    void (*clear_stop)(void);
};

/* From here on this process waits by the backend, which must stay. */
void wait_use(const struct wait_backend *backend);

#endif
