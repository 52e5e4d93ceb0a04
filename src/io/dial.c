/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attempts to connect overlap, so that a dead first address costs a quarter of a second and not the
 * whole time limit. But a name may have many dead addresses, and each attempt needs a descriptor: no
 * more than two are under way at once. They and the client's socket are the descriptors that the
 * server counts for a session.
 */
#include "io/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

enum {
    NEXT_ATTEMPT_MS = 250,
    AT_ONCE = 2, /* the older attempt and the newer one */
};

struct attempts {
    const struct address *addresses;
    size_t count;
    bool is_taken[DIAL_ADDRESSES_MAX]; /* the address is being tried, or has failed */
    size_t turn;                       /* the first address that may be tried next */
    int64_t pause_ms;                  /* until the next attempt begins; longer in each round */
    struct pollfd fds[AT_ONCE];        /* fd -1: none */
    size_t tried[AT_ONCE];             /* the index of its address */
    int errors[DIAL_ADDRESSES_MAX];    /* why the address failed; 0: it has not */
    int last_error;
};

/* Until connect() chooses the port, each server has all of them (IP_BIND_ADDRESS_NO_PORT). */
static int bind_source(int fd, const struct address *to, const struct dial_settings *settings)
{
    const struct address *source =
        to->sa.sa_family == AF_INET6 ? settings->source_ipv6 : settings->source_ipv4;
    int on = 1;

    if (source == NULL || to->sa.sa_family == AF_UNIX)
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
    return bind_source(fd, to, settings);
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

/* The next address that is neither being tried nor has failed; `count` when there is none. After the
 * last one it is the turn of the first again. */
static size_t next_in_turn(const struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->count; i++) {
        size_t index = (attempts->turn + i) % attempts->count;

        if (!attempts->is_taken[index])
            return index;
    }
    return attempts->count;
}

static bool has_next(const struct attempts *attempts)
{
    return next_in_turn(attempts) < attempts->count;
}

static bool is_under_way(const struct attempts *attempts)
{
    return attempts->fds[0].fd != -1 || attempts->fds[1].fd != -1;
}

/* Ends the attempt. `error` is why. */
static void drop(struct attempts *attempts, size_t i, int error)
{
    wait_close(attempts->fds[i].fd);
    attempts->fds[i].fd = -1;
    attempts->errors[attempts->tried[i]] = error;
}

/* Leaves the second entry free. If both are in use, the older attempt ends; its address may answer
 * late, so it has another turn. */
static void make_room(struct attempts *attempts)
{
    if (attempts->fds[1].fd == -1)
        return;
    if (attempts->fds[0].fd != -1) {
        attempts->is_taken[attempts->tried[0]] = false;
        drop(attempts, 0, ETIMEDOUT);
    }
    attempts->fds[0] = attempts->fds[1];
    attempts->tried[0] = attempts->tried[1];
    attempts->fds[1].fd = -1;
}

/* Begins with the next address whose connect() does not fail at once, if there is one. */
static void begin_next(struct attempts *attempts, const struct dial_settings *settings)
{
    size_t next;

    while ((next = next_in_turn(attempts)) < attempts->count) {
        if (next < attempts->turn)
            attempts->pause_ms *= 2; /* another round */
        make_room(attempts);
        attempts->turn = next + 1;
        attempts->is_taken[next] = true;
        attempts->tried[1] = next;
        attempts->fds[1].fd = begin_connect(&attempts->addresses[next], settings);
        if (attempts->fds[1].fd != -1)
            return;
        attempts->last_error = attempts->errors[next] = errno;
    }
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
 * entry of one that is connected, or AT_ONCE when there is none. */
static size_t collect(struct attempts *attempts)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        int error;

        if (attempts->fds[i].fd == -1 || attempts->fds[i].revents == 0)
            continue;
        error = error_of(&attempts->fds[i]);
        if (error == 0)
            return i;
        attempts->last_error = error;
        drop(attempts, i, error);
    }
    return AT_ONCE;
}

/* Returns IO_OK with *winner_r the entry that is connected. */
static enum io_status race(struct attempts *attempts, const struct dial_settings *settings,
                           int64_t deadline_ms, size_t *winner_r)
{
    for (;;) {
        int64_t until_ms = deadline_ms;
        enum io_status status;

        begin_next(attempts, settings);
        if (!is_under_way(attempts))
            return IO_FAILED;
        if (has_next(attempts))
            until_ms = clock_earlier(deadline_ms, clock_after_ms(attempts->pause_ms));
        status = wait_for(attempts->fds, AT_ONCE, until_ms);
        if (status == IO_OK && (*winner_r = collect(attempts)) < AT_ONCE)
            return IO_OK;
        if (status != IO_OK && (status != IO_DEADLINE || until_ms == deadline_ms))
            return status;
    }
}

/* An attempt that began after the winner's has had less time: that says nothing about its address. */
static void drop_all_but(struct attempts *attempts, size_t kept)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        if (i != kept && attempts->fds[i].fd != -1)
            drop(attempts, i, i < kept ? ETIMEDOUT : attempts->errors[attempts->tried[i]]);
}

enum io_status dial(const struct address *addresses, size_t count,
                    const struct dial_settings *settings, int64_t deadline_ms, int *fd_r,
                    size_t *chosen_r, int *errors_r)
{
    struct attempts attempts = {
        .addresses = addresses,
        .count = count < DIAL_ADDRESSES_MAX ? count : DIAL_ADDRESSES_MAX,
        .pause_ms = NEXT_ATTEMPT_MS,
        .fds = {{.fd = -1, .events = POLLOUT}, {.fd = -1, .events = POLLOUT}},
        .last_error = EADDRNOTAVAIL,
    };
    enum io_status status;
    size_t winner = AT_ONCE;

    if (count == 1 && wait_may_sleep_in_calls()) {
        *chosen_r = 0;
        if (errors_r != NULL)
            memset(errors_r, 0, sizeof(attempts.errors));
        status = connect_asleep(&addresses[0], settings, deadline_ms, fd_r);
        if (status == IO_FAILED && errors_r != NULL)
            errors_r[0] = errno;
        if (status != IO_AGAIN)
            return status;
    }
    status = race(&attempts, settings, deadline_ms, &winner);
    drop_all_but(&attempts, winner);
    if (status == IO_OK) {
        *fd_r = attempts.fds[winner].fd;
        *chosen_r = attempts.tried[winner];
        attempts.errors[*chosen_r] = 0; /* an earlier attempt may have been too slow */
        expect_dialogue(*fd_r);
    }
    if (errors_r != NULL)
        memcpy(errors_r, attempts.errors, sizeof(attempts.errors));
    errno = attempts.last_error;
    return status;
}
