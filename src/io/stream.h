/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A two-way byte stream to one peer: an input buffer, an output buffer, and a small table of
 * operations that moves octets. Whether a socket, a pair of descriptors or TLS is behind it, only
 * the table knows.
 *
 * Every function that may sleep takes a deadline (monotonic milliseconds). The first failure of a
 * direction sticks: later calls return it again, so output is checked once, at the flush.
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
 * One attempt each; never sleeps. IO_AGAIN leaves in stream->read_wants / write_wants what to wait
 * for. `read` returns IO_EOF at the end; *moved_r is set with IO_OK only.
 */
struct stream_ops {
    enum io_status (*read)(struct stream *stream, void *to, size_t size, size_t *moved_r);
    enum io_status (*write)(struct stream *stream, const void *from, size_t length, bool has_more,
                            size_t *moved_r);
    /* The same as read, but sleeps until the deadline; IO_AGAIN where it cannot. May be NULL. */
    enum io_status (*receive)(struct stream *stream, void *to, size_t size, int64_t deadline_ms,
                              size_t *moved_r);
    /* The same as read, but leaves there what it has read. NULL where others than the next read
     * could take it. */
    enum io_status (*peek)(struct stream *stream, void *to, size_t size, size_t *seen_r);
    bool (*has_pending)(const struct stream *stream); /* input is held below us: do not wait */
    void (*close)(struct stream *stream);             /* says goodbye if the layer has one */
};

struct stream {
    const struct stream_ops *ops; /* NULL while closed */
    void *layer;                  /* belongs to ops */
    bool is_own_socket; /* and nothing lies over it: its status flags may be set for a while */
    int read_fd;
    int write_fd;
    short read_wants; /* poll events that make the next attempt worth while */
    short write_wants;
    uint64_t emptied_at; /* wait_instant() when a read left nothing behind; 0: it left something */
    enum io_status read_status; /* sticky; IO_OK while more may come */
    enum io_status write_status;
    int64_t receive_limit_ms; /* the socket's own, as it was last set; 0: none */
    struct buffer in;
    struct buffer out;
};

/* Begins a stream over a connected socket that is this process's alone, and over any two descriptors:
 * a pipe each, a terminal, twice the same socket. The stream owns them from here on; stream_close()
 * closes them. The file status flags of the two are left alone, for they may be shared. */
void stream_open_socket(struct stream *stream, int fd);
void stream_open_fds(struct stream *stream, int read_fd, int write_fd);

/* Closes both descriptors and drops what is buffered, wiping secrets. Closing twice is fine. */
void stream_close(struct stream *stream);

static inline bool stream_is_open(const struct stream *stream)
{
    return stream->ops != NULL;
}

/* One attempt to read up to `limit` octets into the input buffer. IO_OK: some came. IO_AGAIN:
 * nothing there, or no room. */
enum io_status stream_try_fill(struct stream *stream, size_t limit);

/* Waits for input and reads up to `limit` octets into the input buffer. IO_OK: some came. */
enum io_status stream_fill(struct stream *stream, size_t limit, int64_t deadline_ms);

/* One attempt to see up to `size` octets of input, which stay where they are: the next to read, or
 * to be taken by a bypass, which is the only use of it. The input buffer must be empty. */
enum io_status stream_try_peek(struct stream *stream, void *to, size_t size, size_t *seen_r);

/* Waits for what should not come, and reads up to `limit` octets of it. IO_DEADLINE: none came by
 * then. CLOCK_PASSED looks and does not sleep. */
enum io_status stream_listen(struct stream *stream, size_t limit, int64_t until_ms);

/* Tells the peer at once what has arrived: one that holds a small segment back for the
 * acknowledgement of the last (Nagle) then sends it. */
void stream_acknowledge(struct stream *stream);

/* Appends to the output buffer; nothing is sent. Output beyond the buffer's size makes the stream
 * fail (callers send replies of bounded size). */
void stream_put(struct stream *stream, const void *data, size_t length);
void stream_put_text(struct stream *stream, const char *text);

/* Sends the output buffer. `has_more` says that more follows at once: the kernel may keep the last
 * segment back for it. */
enum io_status stream_flush(struct stream *stream, bool has_more, int64_t deadline_ms);

/* One attempt to write straight from the caller's memory; the output buffer must be empty. */
enum io_status stream_try_write(struct stream *stream, const void *data, size_t length,
                                bool has_more, size_t *moved_r);

#endif
