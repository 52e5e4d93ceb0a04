/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams over plain descriptors: a socket, or the standard input and output that a superserver or
 * a terminal has given us.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/stream.h"

enum {
    LATE_MS = 200,        /* a read in recv() may last this much longer than its deadline */
    RECEIVE_MAX_MS = 250, /* a longer wait is for wait_for(), which also gives memory back */
};

static bool is_again(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static enum io_status result(ssize_t moved, size_t *moved_r)
{
    if (moved < 0)
        return is_again(errno) ? IO_AGAIN : IO_FAILED;
    *moved_r = (size_t)moved;
    return moved == 0 ? IO_EOF : IO_OK;
}

/* A read that returns less than it asked for has emptied the socket, unless it has ended at urgent
 * data, which POP3 does not use. The scheduler learns of urgent data from the kernel. Without a
 * scheduler, a peer can hide octets after urgent data from a check at the same instant; it gains no
 * more than by sending them a little later. */
static enum io_status received(struct stream *stream, ssize_t moved, size_t size, size_t *moved_r)
{
    bool is_emptied = moved < (ssize_t)size;

    wait_note(stream->read_fd, POLLIN, is_emptied);
    stream->emptied_at = is_emptied ? wait_instant() : 0;
    return result(moved, moved_r);
}

static enum io_status socket_read(struct stream *stream, void *to, size_t size, size_t *moved_r)
{
    return received(stream, recv(stream->read_fd, to, size, MSG_DONTWAIT), size, moved_r);
}

/* Octets that arrive after these make the socket ready again. */
static enum io_status socket_peek(struct stream *stream, void *to, size_t size, size_t *seen_r)
{
    ssize_t seen = recv(stream->read_fd, to, size, MSG_DONTWAIT | MSG_PEEK);

    wait_note(stream->read_fd, POLLIN, seen < (ssize_t)size);
    stream->emptied_at = 0;
    return result(seen, seen_r);
}

/* Sets the socket's time limit (SO_RCVTIMEO), unless the limit that it has is short enough. A limit
 * that is too short does no harm, as the caller then waits on. */
static void limit_receive(struct stream *stream, int64_t left_ms)
{
    int64_t limit_ms = left_ms < RECEIVE_MAX_MS ? left_ms : RECEIVE_MAX_MS;
    struct timeval limit = {.tv_usec = (suseconds_t)limit_ms * 1000};

    if (stream->receive_limit_ms != 0 && stream->receive_limit_ms <= left_ms + LATE_MS)
        return;
    if (setsockopt(stream->read_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
        stream->receive_limit_ms = limit_ms;
}

/* Sleeps in recv(). IO_AGAIN when the socket's time limit has passed, after a signal, and from a
 * nonblocking socket. See wait.h, "Reading in calls that sleep". */
static enum io_status socket_receive(struct stream *stream, void *to, size_t size,
                                     int64_t deadline_ms, size_t *moved_r)
{
    int64_t left_ms = deadline_ms == CLOCK_NEVER ? INT32_MAX : deadline_ms - clock_now_ms();

    if (wait_is_stop_requested())
        return IO_STOPPED;
    if (left_ms <= 0)
        return IO_AGAIN;
    limit_receive(stream, left_ms);
    if (stream->receive_limit_ms == 0)
        return IO_AGAIN;
    wait_pass();
    return received(stream, recv(stream->read_fd, to, size, 0), size, moved_r);
}

static enum io_status socket_write(struct stream *stream, const void *from, size_t length,
                                   bool has_more, size_t *moved_r)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (has_more ? MSG_MORE : 0);
    ssize_t moved = send(stream->write_fd, from, length, flags);

    wait_pass();
    if (moved < (ssize_t)length)
        wait_note(stream->write_fd, POLLOUT, true);
    return result(moved, moved_r);
}

/* Other processes may share pipes and terminals, so they stay in blocking mode. After poll() has
 * reported one ready, one read(), or one write() of at most PIPE_BUF octets, does not sleep. */
static enum io_status plain_read(struct stream *stream, void *to, size_t size, size_t *moved_r)
{
    struct pollfd ready = {.fd = stream->read_fd, .events = POLLIN};

    if (poll(&ready, 1, 0) != 1)
        return IO_AGAIN; /* not ready, or poll() has failed: then the next wait reports it */
    return result(read(stream->read_fd, to, size), moved_r);
}

static enum io_status plain_write(struct stream *stream, const void *from, size_t length,
                                  bool has_more, size_t *moved_r)
{
    struct pollfd ready = {.fd = stream->write_fd, .events = POLLOUT};

    (void)has_more;
    if (poll(&ready, 1, 0) != 1)
        return IO_AGAIN; /* not ready, or poll() has failed: then the next wait reports it */
    return result(write(stream->write_fd, from, length < PIPE_BUF ? length : PIPE_BUF), moved_r);
}

static bool nothing_pending(const struct stream *stream)
{
    (void)stream;
    return false;
}

static void close_fds(struct stream *stream)
{
    wait_close(stream->read_fd);
    if (stream->write_fd != stream->read_fd)
        wait_close(stream->write_fd);
}

static const struct stream_ops socket_ops = {
    .read = socket_read,
    .receive = socket_receive,
    .peek = socket_peek,
    .write = socket_write,
    .has_pending = nothing_pending,
    .close = close_fds,
};
static const struct stream_ops plain_ops = {
    .read = plain_read,
    .write = plain_write,
    .has_pending = nothing_pending,
    .close = close_fds,
};

static bool is_socket(int fd)
{
    int type;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

static void open_with(struct stream *stream, const struct stream_ops *ops, int read_fd,
                      int write_fd)
{
    *stream = (struct stream){
        .ops = ops,
        .read_fd = read_fd,
        .write_fd = write_fd,
        .read_wants = POLLIN,
        .write_wants = POLLOUT,
    };
}

void stream_open_socket(struct stream *stream, int fd)
{
    open_with(stream, &socket_ops, fd, fd);
    stream->is_own_socket = true;
}

void stream_open_fds(struct stream *stream, int read_fd, int write_fd)
{
    bool both_sockets = is_socket(read_fd) && is_socket(write_fd);

    open_with(stream, both_sockets ? &socket_ops : &plain_ops, read_fd, write_fd);
}

void stream_acknowledge(struct stream *stream)
{
    int on = 1;

    /* It fails where the descriptor is not a TCP socket, and does no harm there. */
    (void)setsockopt(stream->read_fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}
