/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a process sleeps. Every wait of a session for a peer, the helper or the clock goes through
 * here. So the code above does not know what a wait blocks, and nobody can forget a time limit.
 *
 * A wait works in one of three ways:
 *
 * - In ppoll(), in a process that serves one session.
 * - In a scheduler, in a process that serves many: wait_use() names it, and it runs other sessions
 *   until the wait is over.
 * - In the call itself, for the most frequent waits of a worker that serves one session at a time;
 *   see below.
 *
 * Stopping: wait_request_stop(), which a signal handler may call, makes the wait that is going on,
 * and every later one, return IO_STOPPED until wait_clear_stop(). After wait_open_signals() the
 * signals arrive only while ppoll() sleeps, so none is lost between the check and the sleep. In
 * other processes a signal that arrives just before the sleep is noticed only after it; the master
 * therefore sends it again until the worker obeys.
 *
 * Reading in calls that sleep: where wait_may_sleep_in_calls() returns true, stream_fill() and a
 * TLS handshake do not call ppoll() and then recv(), but sleep in recv() itself, and dial() sleeps
 * in connect() if there is one address. A poll session needs 2 calls of ppoll() then instead of 10,
 * but 6 of setsockopt() instead of 3, and costs 5 % less CPU (60 interleaved pairs of runs; half of
 * them between 3.7 and 6.9 %). With stream_doze() those 2 are gone too. These are the rules:
 *
 * 1. The socket is blocking. Reads and writes that must not sleep say MSG_DONTWAIT. Only splice()
 *    cannot say it: a bypass limits its sleep to a tick of the kernel by SO_SNDTIMEO.
 * 2. SO_RCVTIMEO is the time limit. It is 250 ms at most, because a longer wait should give memory
 *    back, which ppoll() below does. It is set only when the one that the socket has would end more
 *    than 200 ms too late. SO_SNDTIMEO is the limit for connect(), and is the whole deadline.
 * 3. The stop is checked before the call; a signal interrupts it.
 * 4. A read that ends for any such reason returns IO_AGAIN. The caller then goes on with wait_for()
 *    and an attempt that does not sleep, as in every other process. These check stop and deadline.
 * 5. TLS passes the deadline to the read below for the first record alone. When that read sleeps in
 *    vain, OpenSSL reports "want read", and rule 4 applies.
 */
#ifndef IO_WAIT_H
#define IO_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The result of an attempt to move octets, or of a wait. */
enum io_status {
    IO_OK = 0,   /* done, or ready */
    IO_AGAIN,    /* nothing was done: wait, and try again */
    IO_EOF,      /* the peer has ended its direction in good order */
    IO_DEADLINE, /* the deadline has passed */
    IO_STOPPED,  /* this process was told to end the session */
    IO_FAILED,   /* the connection is broken, or the system has refused; errno says which */
};

/*
 * Sleeps until one of the `count` descriptors is ready or `deadline_ms` (monotonic clock) has
 * passed. Descriptors of -1 are left out. Returns IO_OK with revents filled in, IO_DEADLINE,
 * IO_STOPPED or IO_FAILED. With CLOCK_PASSED it checks them once and does not sleep.
 */
enum io_status wait_for(struct pollfd *fds, unsigned count, int64_t deadline_ms);

/* The same for one descriptor. One with an error or a hang-up is ready: the next attempt to use it
 * reports what is wrong. */
enum io_status wait_for_one(int fd, short events, int64_t deadline_ms);

/*
 * Call it after an attempt to read (POLLIN) or write (POLLOUT). `is_exhausted`: the kernel had no
 * more octets, or no more room, so the next wait for the descriptor must sleep. Where many sessions
 * share a process this saves a system call: without the note, the next wait has to ask the kernel.
 */
void wait_note(int fd, short event, bool is_exhausted);

/* Call it in a loop that may go on for long without a wait, because its input is in our memory. Where
 * sessions share a process, one that has run for a while lets the others run. */
void wait_pause(void);

/* Whether reading and connecting may sleep in their own calls; see above. */
bool wait_may_sleep_in_calls(void);

/* Closes a descriptor. Every descriptor that was ever waited for must be closed by this. */
void wait_close(int fd);

/*
 * The current instant: a number, never 0, that changes with each sleep and each write, which are
 * what takes time here. What was seen at the same instant need not be checked again.
 */
uint64_t wait_instant(void);
/* Begins another instant. */
void wait_pass(void);

/* Blocks the signals in `blocked`, except while wait_for() sleeps. Call it once, before the first
 * wait. */
void wait_open_signals(const sigset_t *blocked);

/* Async-signal-safe. */
void wait_request_stop(void);
/* Forgets the request: between two sessions of a worker, and for a session's last words. */
void wait_clear_stop(void);
bool wait_is_stop_requested(void);

/* What a scheduler does in place of the functions above, all on behalf of the session that calls.
 */
struct wait_backend {
    enum io_status (*wait)(struct pollfd *fds, unsigned count, int64_t deadline_ms);
    void (*note)(int fd, short event, bool is_exhausted);
    void (*pause)(void);
    void (*forget)(int fd); /* the descriptor is about to be closed */
    void (*clear_stop)(void);
};

/* Lets this process wait by `backend`, which must stay, from now on; NULL: without one. */
void wait_use(const struct wait_backend *backend);

#endif
