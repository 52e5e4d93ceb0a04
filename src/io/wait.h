/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a session sleeps: every wait of the session code for a peer, the helper or the clock goes
 * through here, so that nothing above knows what blocks, and a wait without a limit cannot be
 * written by accident.
 *
 * A process may be told to end its session (wait_request_stop(), called from a signal handler):
 * the wait going on, and every later one, then returns IO_STOPPED. Signals are let in only while
 * asleep, so none is lost between a check and the sleep.
 */
#ifndef IO_WAIT_H
#define IO_WAIT_H

#include <poll.h>
#include <signal.h>
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

/* Blocks `blocked` for the process but while it sleeps in wait_for(). Call once, before the first
 * wait. */
void wait_open_signals(const sigset_t *blocked);

/* Async-signal-safe. */
void wait_request_stop(void);
/* Forgets a request (between two sessions of a worker). */
void wait_clear_stop(void);
int wait_is_stop_requested(void);

#endif
