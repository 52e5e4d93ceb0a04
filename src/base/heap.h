/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A binary heap: of the items put in, the first one is found at once, and any item can be moved or
 * taken out in a number of steps that grows with the logarithm of their number.
 *
 * An item is part of what it stands for and knows where it is in the heap. What it stands for must
 * stay at its address while the item is in.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: not in a heap. */
struct heap_item {
    size_t index; /* from 1; 0 while not in */
};

/* Whether `a` comes out before `b`. */
typedef bool heap_order(const struct heap_item *a, const struct heap_item *b);

/* Set `is_before` once, and nothing else. */
struct heap {
    heap_order *is_before;
    struct heap_item **items;
    size_t count;
    size_t room;
};

/* What contains `item` as its member. */
#define HEAP_OWNER(item, type, member) ((type *)((uintptr_t)(item)-offsetof(type, member)))

static inline bool heap_has(const struct heap_item *item)
{
    return item->index != 0;
}

/* The item that comes out first; NULL when the heap is empty. */
static inline struct heap_item *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->items[0];
}

/* Makes room for `count` items at the same time, so that heap_put() cannot fail. Returns whether
 * there is memory. */
bool heap_reserve(struct heap *heap, size_t count);

/* Puts the item in, or finds its new position where it is in already and its order has changed. */
void heap_put(struct heap *heap, struct heap_item *item);

/* Takes the item out; nothing happens to one that is not in. */
void heap_remove(struct heap *heap, struct heap_item *item);

/* Frees the heap's own memory. The items that were in must not be used with a heap again before
 * they are all zero. */
void heap_free(struct heap *heap);

#endif
