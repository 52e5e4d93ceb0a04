/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte stream in both directions to one peer: an input buffer, an output buffer, and a table of
 * operations that move octets. Only the operations know whether they work on a socket, on a pair of
 * descriptors, or through TLS.
 *
 * Every function that may sleep takes a deadline (monotonic milliseconds). When a direction fails
 * it stays failed, and later calls return the failure again. So a caller can put several texts and
 * check only the flush.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "io/wait.h"

struct stream;

/*
 * Each operation makes one attempt and, except `receive`, never sleeps. With IO_AGAIN,
 * stream->read_wants or write_wants holds the poll events to wait for. `read` returns IO_EOF at the
 * end of the input. *moved_r is set only with IO_OK.
 */
struct stream_ops {
    enum io_status (*read)(struct stream *stream, void *to, size_t size, size_t *moved_r);
    enum io_status (*write)(struct stream *stream, const void *from, size_t length, bool has_more,
                            size_t *moved_r);
    /* As `read`, but sleeps until the deadline; IO_AGAIN: wait in wait_for(). May be NULL. See
     * wait.h, "Reading in calls that sleep". */
    enum io_status (*receive)(struct stream *stream, void *to, size_t size, int64_t deadline_ms,
                              size_t *moved_r);
    /* As `read`, but the octets stay in the socket. NULL where a layer such as TLS changes them. */
    enum io_status (*peek)(struct stream *stream, void *to, size_t size, size_t *seen_r);
    /* The layer holds input that `read` may return: poll() would not see it, so do not wait. */
    bool (*has_pending)(const struct stream *stream);
    /* Announces the end to the peer, where the protocol has a way to, and closes both
     * descriptors. */
    void (*close)(struct stream *stream);
};

struct stream {
    const struct stream_ops *ops; /* NULL while closed */
    void *layer;                  /* for the operations alone */
    bool is_own_socket; /* a socket that no other process has, without TLS: a bypass may
                         * limit how long it sleeps */
    int read_fd;
    int write_fd;
    short read_wants; /* poll events to wait for before the next attempt */
    short write_wants;
    uint64_t emptied_at; /* wait_instant() when a read left the socket empty; 0: it did not */
    enum io_status read_status; /* stays once it is not IO_OK */
    enum io_status write_status;
    int64_t receive_limit_ms; /* SO_RCVTIMEO as we have last set it; 0: not set */
    struct buffer in;
    struct buffer out;
};

/* Begins a stream over a connected socket that no other process has. The stream owns it:
 * stream_close() closes it. */
void stream_open_socket(struct stream *stream, int fd);

/* The same over two descriptors, such as two pipes, a terminal, or twice the same socket. Other
 * processes may have them too, so their file status flags are not changed. */
void stream_open_fds(struct stream *stream, int read_fd, int write_fd);

/* Drops what is buffered, wiping secrets, and closes both descriptors. Does nothing when the stream
 * is closed already. */
void stream_close(struct stream *stream);

static inline bool stream_is_open(const struct stream *stream)
{
    return stream->ops != NULL;
}

/* Tries once to read up to `limit` octets into the input buffer. IO_OK: at least one was read.
 * IO_AGAIN: there are none, or the buffer is full. */
enum io_status stream_try_fill(struct stream *stream, size_t limit);

/* Waits for input and reads up to `limit` octets into the input buffer. IO_OK: at least one was
 * read. */
enum io_status stream_fill(struct stream *stream, size_t limit, int64_t deadline_ms);

/* Reads once, as stream_try_fill() does, but may sleep in the call for a fraction of a second. IO_AGAIN:
 * nothing came, or this process does not sleep in calls (wait.h). Use it before a wait for more than one
 * descriptor, where the one of this stream is most likely to become ready. */
enum io_status stream_doze(struct stream *stream, size_t limit, int64_t deadline_ms);

/* Tries once to copy up to `size` octets of input that stay in the socket, for a bypass to take.
 * The stream must have the operation `peek`, and its input buffer must be empty. */
enum io_status stream_try_peek(struct stream *stream, void *to, size_t size, size_t *seen_r);

/* Waits for input that should not come, and reads up to `limit` octets of it. IO_DEADLINE: none
 * came. With CLOCK_PASSED it does not sleep. */
enum io_status stream_listen(struct stream *stream, size_t limit, int64_t until_ms);

/* Sends an acknowledgement at once, instead of a while later. A peer that holds back a small
 * segment until its last one is acknowledged (Nagle) then sends it. */
void stream_acknowledge(struct stream *stream);

/* Append to the output buffer; nothing is sent. If the buffer is full the stream fails: callers put
 * replies of bounded size, and flush in time. */
void stream_put(struct stream *stream, const void *data, size_t length);
void stream_put_text(struct stream *stream, const char *text);

/* Sends the output buffer. `has_more`: more output follows at once, and the kernel may hold back
 * the last segment for it. */
enum io_status stream_flush(struct stream *stream, bool has_more, int64_t deadline_ms);

/* Tries once to write from the caller's memory. The output buffer must be empty. */
enum io_status stream_try_write(struct stream *stream, const void *data, size_t length,
                                bool has_more, size_t *moved_r);

#endif
