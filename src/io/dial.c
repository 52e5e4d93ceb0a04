/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attempts to connect overlap, so that a dead first address costs a quarter of a second and not the
 * whole time limit.
 */
#include "io/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/clock.h"
#include "base/file.h"

enum { NEXT_ATTEMPT_MS = 250 };

struct attempts {
    struct pollfd fds[DIAL_ADDRESSES_MAX]; /* fd -1: the attempt has failed */
    size_t begun;
    size_t alive;
    int last_error;
};

/* Until connect() chooses the port, each server has all of them (IP_BIND_ADDRESS_NO_PORT). */
static int bind_source(int fd, const struct address *source)
{
    int on = 1;

    if (source == NULL)
        return fd;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    return bind(fd, &source->sa, source->length) == 0 ? fd : file_close_failed(fd);
}

static int open_socket(const struct address *to, int flags, const struct dial_settings *settings)
{
    int on = 1;
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd == -1)
        return -1;
    /* We can do without either option; a UNIX socket has no TCP_NODELAY. */
    if (to->sa.sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (settings->socket_buffer_bytes > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &settings->socket_buffer_bytes,
                         sizeof(settings->socket_buffer_bytes));
    return bind_source(fd, settings->source);
}

/* We answer the greeting at once, so the acknowledgement of the greeting can share that packet.
 * Call it only once the connection is made: before, it would delay the last packet of the
 * handshake. */
static void expect_dialogue(int fd)
{
    int off = 0;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

static int begin_connect(const struct address *to, const struct dial_settings *settings)
{
    int fd = open_socket(to, SOCK_NONBLOCK, settings);

    if (fd == -1 || connect(fd, &to->sa, to->length) == 0 || errno == EINPROGRESS)
        return fd;
    return file_close_failed(fd);
}

/* Connects to one address and sleeps in connect() itself. The socket is blocking, as reading in
 * calls that sleep needs it. IO_AGAIN: a signal has interrupted it; begin again the other way. */
static enum io_status connect_asleep(const struct address *to, const struct dial_settings *settings,
                                     int64_t deadline_ms, int *fd_r)
{
    int64_t left_ms = deadline_ms - clock_now_ms();
    struct timeval limit = {.tv_sec = (time_t)(left_ms / 1000),
                            .tv_usec = (suseconds_t)(left_ms % 1000) * 1000};

    if (wait_is_stop_requested())
        return IO_STOPPED;
    if (left_ms <= 0)
        return IO_DEADLINE;
    *fd_r = open_socket(to, 0, settings);
    if (*fd_r == -1)
        return IO_FAILED;
    if (setsockopt(*fd_r, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
        connect(*fd_r, &to->sa, to->length) == 0) {
        expect_dialogue(*fd_r);
        return IO_OK;
    }
    file_close_failed(*fd_r);
    if (errno == EINTR)
        return IO_AGAIN;
    return errno == EINPROGRESS || errno == EAGAIN ? IO_DEADLINE : IO_FAILED;
}

static void begin_next(struct attempts *attempts, const struct address *addresses,
                       const struct dial_settings *settings)
{
    int fd = begin_connect(&addresses[attempts->begun], settings);

    attempts->fds[attempts->begun] = (struct pollfd){.fd = fd, .events = POLLOUT};
    attempts->begun++;
    if (fd == -1)
        attempts->last_error = errno;
    else
        attempts->alive++;
}

static void drop(struct attempts *attempts, size_t i)
{
    wait_close(attempts->fds[i].fd);
    attempts->fds[i].fd = -1;
    attempts->alive--;
}

/* Returns 0 when an attempt that poll() has reported is connected, else its error. */
static int error_of(const struct pollfd *attempt)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if ((attempt->revents & (POLLERR | POLLHUP)) == 0)
        return 0;
    return getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 ? errno : error;
}

/* Checks the attempts that poll() has reported, and closes those that have failed. Returns the
 * index of one that is connected, or attempts->begun when there is none. */
static size_t collect(struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->begun; i++) {
        int error;

        if (attempts->fds[i].fd == -1 || attempts->fds[i].revents == 0)
            continue;
        error = error_of(&attempts->fds[i]);
        if (error == 0)
            return i;
        attempts->last_error = error;
        drop(attempts, i);
    }
    return attempts->begun;
}

static void drop_all_but(struct attempts *attempts, size_t kept)
{
    for (size_t i = 0; i < attempts->begun; i++)
        if (i != kept && attempts->fds[i].fd != -1)
            drop(attempts, i);
}

enum io_status dial(const struct address *addresses, size_t count, const struct dial_settings *settings,
                    int64_t deadline_ms, int *fd_r, size_t *chosen_r)
{
    struct attempts attempts = {.last_error = EADDRNOTAVAIL};
    enum io_status status = IO_FAILED;

    if (count > DIAL_ADDRESSES_MAX)
        count = DIAL_ADDRESSES_MAX;
    if (count == 1 && wait_may_sleep_in_calls()) {
        *chosen_r = 0;
        status = connect_asleep(&addresses[0], settings, deadline_ms, fd_r);
        if (status != IO_AGAIN)
            return status;
    }
    while (attempts.begun < count || attempts.alive > 0) {
        int64_t until_ms = deadline_ms;

        if (attempts.begun < count) {
            begin_next(&attempts, addresses, settings);
            if (attempts.alive == 0)
                continue;
            if (attempts.begun < count)
                until_ms = clock_earlier(deadline_ms, clock_after_ms(NEXT_ATTEMPT_MS));
        }
        status = wait_for(attempts.fds, (unsigned)attempts.begun, until_ms);
        if (status == IO_OK) {
            size_t i = collect(&attempts);
            if (i < attempts.begun) {
                drop_all_but(&attempts, i);
                expect_dialogue(attempts.fds[i].fd);
                *fd_r = attempts.fds[i].fd;
                *chosen_r = i;
                return IO_OK;
            }
            status = IO_FAILED;
        } else if (status != IO_DEADLINE || until_ms == deadline_ms) {
            break;
        }
    }
    drop_all_but(&attempts, attempts.begun);
    errno = attempts.last_error;
    return status;
}
