/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte queue of bounded size: octets are appended at the end and consumed from the start.
 *
 * It takes a block of memory when the first octet arrives, and gives it back to a pool of the
 * process when the last one is consumed: a session that waits holds no buffer. While `is_secret` is
 * set, each octet is wiped when it is consumed or moved, so that nothing of a login stays in
 * memory.
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

/* The octets that it holds, and how many. The pointer is valid until the buffer changes. An empty
 * buffer may have no block: do not call buffer_data() for one. */
static inline char *buffer_data(const struct buffer *buffer)
{
    return buffer->block + buffer->start;
}

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

/*
 * Makes room to append `wanted` octets (at most BUFFER_BLOCK_BYTES): takes a block, or moves the
 * contents to the front. Returns where to write, and in *room_r how many octets fit there, at most
 * `wanted`. They are fewer, even 0, where the buffer is that full. Returns NULL, with *room_r 0,
 * where memory is exhausted. Write there, then call buffer_added().
 */
char *buffer_room(struct buffer *buffer, size_t wanted, size_t *room_r);
void buffer_added(struct buffer *buffer, size_t length);

/* Appends a copy of all octets, or of none. Returns whether they fitted. */
bool buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Removes `length` octets from the start, and wipes them where the buffer is secret. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Removes all octets, wiped where the buffer is secret, and gives the block back. */
void buffer_clear(struct buffer *buffer);

/* Gives the free blocks of the pool back to the system, except `keep` of them. */
void buffer_pool_trim(unsigned keep);

#endif
