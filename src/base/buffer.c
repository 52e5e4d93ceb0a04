/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Byte queues over a pool of free blocks that the whole process shares. All blocks have one size,
 * so any free block fits any buffer, and the pool cannot fragment.
 */
#include "base/buffer.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/process.h"

/* The first octets of a free block are the link to the next one. */
struct free_block {
    struct free_block *next;
};

static struct free_block *free_blocks PROCESS_OWN;

static char *block_take(void)
{
    struct free_block *block = free_blocks;

    if (block != NULL) {
        free_blocks = block->next;
        return (char *)block;
    }
    /* From mmap() and not malloc(): a page costs memory only once it is touched, and munmap()
     * really gives it back. */
    void *memory =
        mmap(NULL, BUFFER_BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* A child sees zeros: it must not inherit a login. */
    (void)madvise(memory, BUFFER_BLOCK_BYTES, MADV_WIPEONFORK);
    return memory;
}

static void block_give(char *memory)
{
    struct free_block *block = (struct free_block *)(void *)memory;

    block->next = free_blocks;
    free_blocks = block;
}

void buffer_pool_trim(unsigned keep)
{
    struct free_block **link = &free_blocks;

    while (*link != NULL && keep > 0) {
        link = &(*link)->next;
        keep--;
    }
    while (*link != NULL) {
        struct free_block *surplus = *link;
        *link = surplus->next;
        munmap(surplus, BUFFER_BLOCK_BYTES);
    }
}

static void move_to_front(struct buffer *buffer)
{
    size_t length = buffer_length(buffer);

    memmove(buffer->block, buffer_data(buffer), length);
    if (buffer->is_secret)
        explicit_bzero(buffer->block + length, buffer->end - length);
    buffer->start = 0;
    buffer->end = (uint32_t)length;
}

char *buffer_room(struct buffer *buffer, size_t wanted, size_t *room_r)
{
    *room_r = 0;
    if (buffer->block == NULL) {
        buffer->block = block_take();
        buffer->start = 0;
        buffer->end = 0;
        if (buffer->block == NULL)
            return NULL;
    }
    if (BUFFER_BLOCK_BYTES - buffer->end < wanted && buffer->start > 0)
        move_to_front(buffer);
    *room_r = BUFFER_BLOCK_BYTES - buffer->end;
    if (*room_r > wanted)
        *room_r = wanted;
    return buffer->block + buffer->end;
}

void buffer_added(struct buffer *buffer, size_t length)
{
    assert(length <= BUFFER_BLOCK_BYTES - buffer->end);
    buffer->end += (uint32_t)length;
    if (buffer->start == buffer->end)
        buffer_clear(buffer);
}

bool buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    size_t room;
    char *to;

    if (length == 0)
        return true;
    to = buffer_room(buffer, length, &room);
    if (to == NULL || room < length)
        return false;
    memcpy(to, data, length);
    buffer_added(buffer, length);
    return true;
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    assert(length <= buffer_length(buffer));
    if (length == 0)
        return;
    if (buffer->is_secret)
        explicit_bzero(buffer_data(buffer), length);
    buffer->start += (uint32_t)length;
    if (buffer->start == buffer->end)
        buffer_clear(buffer);
}

void buffer_clear(struct buffer *buffer)
{
    if (buffer->block == NULL)
        return;
    if (buffer->is_secret)
        explicit_bzero(buffer->block, buffer->end);
    block_give(buffer->block);
    buffer->block = NULL;
    buffer->start = 0;
    buffer->end = 0;
}
