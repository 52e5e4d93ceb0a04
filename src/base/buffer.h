/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte queue of bounded size: octets are appended at the end and consumed from the start.
 *
 * Its memory is a block that is taken when the first octet arrives and given back to the process's
 * pool when the last one is consumed, so a session that waits holds no buffer. While `is_secret`
 * is set, every octet is wiped as it is consumed or moved: nothing of a login stays behind.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUFFER_BLOCK_BYTES = 64 * 1024, /* the size of a block; the most one buffer can hold */
};

struct buffer {
    char *block; /* NULL while empty */
    uint32_t start;
    uint32_t end;
    bool is_secret;
};

/* The octets held, and how many. The pointer is valid until the next call that changes the
 * buffer. Not for an empty buffer, which may have no block. */
static inline char *buffer_data(const struct buffer *buffer)
{
    return buffer->block + buffer->start;
}

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

/*
 * Room for appending at least `wanted` octets (at most BUFFER_BLOCK_BYTES), taking a block or
 * moving the contents to the front if need be. Returns where to write, and in *room_r how much
 * fits there: less than wanted (possibly 0) only when the buffer is that full, and NULL with
 * *room_r 0 when memory is exhausted. Follow it with buffer_added().
 */
char *buffer_room(struct buffer *buffer, size_t wanted, size_t *room_r);
void buffer_added(struct buffer *buffer, size_t length);

/* Appends a copy, all or nothing. Returns whether it fitted. */
bool buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Drops `length` octets from the start; wipes them when the buffer is secret. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Drops everything and gives the block back. */
void buffer_clear(struct buffer *buffer);

/* Gives the pool's idle blocks back to the system, but for `keep` of them. */
void buffer_pool_trim(unsigned keep);

#endif
