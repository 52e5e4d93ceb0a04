/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap is an array: the children of the item at index i, counted from 1, are at 2i and 2i + 1,
 * and none of them comes before it.
 */
#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

enum { ROOM_FIRST = 64 };

bool heap_reserve(struct heap *heap, size_t count)
{
    struct heap_item **items;
    size_t room = heap->room == 0 ? ROOM_FIRST : heap->room;

    while (room < count)
        room *= 2;
    if (room == heap->room)
        return true;
    items = reallocarray(heap->items, room, sizeof(struct heap_item *));
    if (items == NULL)
        return false;
    heap->items = items;
    heap->room = room;
    return true;
}

static struct heap_item *at(const struct heap *heap, size_t index)
{
    return heap->items[index - 1];
}

static void set(struct heap *heap, size_t index, struct heap_item *item)
{
    heap->items[index - 1] = item;
    item->index = index;
}

/* Moves an item up from `index`, to where its parent does not come after it. */
static void rise(struct heap *heap, size_t index, struct heap_item *item)
{
    while (index > 1 && heap->is_before(item, at(heap, index / 2))) {
        set(heap, index, at(heap, index / 2));
        index /= 2;
    }
    set(heap, index, item);
}

/* Moves an item down from `index`, to where no child comes before it. */
static void sink(struct heap *heap, size_t index, struct heap_item *item)
{
    while (index * 2 <= heap->count) {
        size_t child = index * 2;

        if (child < heap->count && heap->is_before(at(heap, child + 1), at(heap, child)))
            child++;
        if (!heap->is_before(at(heap, child), item))
            break;
        set(heap, index, at(heap, child));
        index = child;
    }
    set(heap, index, item);
}

static void settle(struct heap *heap, size_t index, struct heap_item *item)
{
    if (index > 1 && heap->is_before(item, at(heap, index / 2)))
        rise(heap, index, item);
    else
        sink(heap, index, item);
}

void heap_put(struct heap *heap, struct heap_item *item)
{
    if (heap_has(item)) {
        settle(heap, item->index, item);
        return;
    }
    assert(heap->count < heap->room);
    heap->count++;
    rise(heap, heap->count, item);
}

void heap_remove(struct heap *heap, struct heap_item *item)
{
    size_t index = item->index;
    struct heap_item *last;

    if (index == 0)
        return;
    last = at(heap, heap->count);
    heap->count--;
    item->index = 0;
    if (last != item)
        settle(heap, index, last);
}

void heap_free(struct heap *heap)
{
    free(heap->items);
    *heap = (struct heap){.is_before = heap->is_before};
}
