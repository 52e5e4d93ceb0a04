/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a stream that every kind of connection shares: its buffers, and waiting. Knows
 * nothing of POP3, and moves octets only through the stream's operations.
 */
#include "io/stream.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

void stream_close(struct stream *stream)
{
    if (stream->ops == NULL)
        return;
    buffer_clear(&stream->in);
    buffer_clear(&stream->out);
    stream->ops->close(stream);
    stream->ops = NULL;
    stream->read_status = IO_FAILED;
    stream->write_status = IO_FAILED;
}

/* Reads once; with a deadline the call itself may sleep. */
static enum io_status attempt(struct stream *stream, void *to, size_t size, const int64_t *deadline,
                              size_t *moved_r)
{
    return deadline == NULL ? stream->ops->read(stream, to, size, moved_r)
                            : stream->ops->receive(stream, to, size, *deadline, moved_r);
}

static enum io_status fill(struct stream *stream, size_t limit, const int64_t *deadline)
{
    size_t room;
    size_t moved = 0;
    char *to;
    enum io_status status;

    if (stream->read_status != IO_OK)
        return stream->read_status;
    to = buffer_room(&stream->in, limit, &room);
    if (to == NULL) {
        errno = ENOMEM;
        return stream->read_status = IO_FAILED;
    }
    if (room == 0)
        return IO_AGAIN;
    status = attempt(stream, to, room, deadline, &moved);
    buffer_added(&stream->in, moved);
    if (status == IO_EOF || status == IO_FAILED)
        stream->read_status = status;
    return status;
}

enum io_status stream_try_fill(struct stream *stream, size_t limit)
{
    return fill(stream, limit, NULL);
}

/* A peer can keep the socket ready and never send an octet for us: parts of a TLS record, tickets.
 * So the deadline is also checked after an attempt that has read nothing. */
static enum io_status wait_and_fill(struct stream *stream, size_t limit, int64_t deadline_ms)
{
    enum io_status status = IO_AGAIN;

    while (status == IO_AGAIN) {
        status = IO_OK;
        if (stream->ops->has_pending(stream))
            wait_pause();
        else
            status = wait_for_one(stream->read_fd, stream->read_wants, deadline_ms);
        if (status == IO_OK)
            status = stream_try_fill(stream, limit);
        if (status == IO_AGAIN && clock_now_ms() >= deadline_ms)
            status = IO_DEADLINE;
    }
    return status;
}

enum io_status stream_fill(struct stream *stream, size_t limit, int64_t deadline_ms)
{
    enum io_status status = stream->read_status;

    if (status != IO_OK)
        return status;
    status = IO_AGAIN;
    if (stream->ops->receive != NULL && wait_may_sleep_in_calls())
        status = fill(stream, limit, &deadline_ms);
    return status == IO_AGAIN ? wait_and_fill(stream, limit, deadline_ms) : status;
}

enum io_status stream_doze(struct stream *stream, size_t limit, int64_t deadline_ms)
{
    if (stream->read_status != IO_OK)
        return stream->read_status;
    if (stream->ops->receive == NULL || !wait_may_sleep_in_calls())
        return IO_AGAIN;
    return fill(stream, limit, &deadline_ms);
}

enum io_status stream_listen(struct stream *stream, size_t limit, int64_t until_ms)
{
    if (stream->read_status != IO_OK)
        return stream->read_status;
    if (until_ms == CLOCK_PASSED && stream->emptied_at == wait_instant())
        return IO_DEADLINE;
    if (until_ms == CLOCK_PASSED && stream->ops->receive != NULL && wait_may_sleep_in_calls()) {
        enum io_status status = stream_try_fill(stream, limit);

        return status == IO_AGAIN ? IO_DEADLINE : status;
    }
    return wait_and_fill(stream, limit, until_ms);
}

enum io_status stream_try_peek(struct stream *stream, void *to, size_t size, size_t *seen_r)
{
    enum io_status status;

    *seen_r = 0;
    if (stream->read_status != IO_OK)
        return stream->read_status;
    status = stream->ops->peek(stream, to, size, seen_r);
    if (status == IO_EOF || status == IO_FAILED)
        stream->read_status = status;
    return status;
}

void stream_put(struct stream *stream, const void *data, size_t length)
{
    if (stream->write_status == IO_OK && !buffer_append(&stream->out, data, length)) {
        errno = ENOBUFS;
        stream->write_status = IO_FAILED;
    }
}

void stream_put_text(struct stream *stream, const char *text)
{
    stream_put(stream, text, strlen(text));
}

enum io_status stream_try_write(struct stream *stream, const void *data, size_t length,
                                bool has_more, size_t *moved_r)
{
    enum io_status status;

    *moved_r = 0;
    if (stream->write_status != IO_OK)
        return stream->write_status;
    status = stream->ops->write(stream, data, length, has_more, moved_r);
    if (status == IO_FAILED)
        stream->write_status = status;
    return status;
}

enum io_status stream_flush(struct stream *stream, bool has_more, int64_t deadline_ms)
{
    while (stream->write_status == IO_OK && buffer_length(&stream->out) > 0) {
        size_t moved;
        enum io_status status = stream_try_write(stream, buffer_data(&stream->out),
                                                 buffer_length(&stream->out), has_more, &moved);

        buffer_consume(&stream->out, moved);
        if (status == IO_AGAIN)
            status = wait_for_one(stream->write_fd, stream->write_wants, deadline_ms);
        if (status != IO_OK)
            return status;
    }
    return stream->write_status;
}
