/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory order of a sequence lock: the odd count is visible before any part of the new value,
 * and the whole value before the even count.
 */
#include "base/seqlock.h"

#include <string.h>

enum { READ_TRIES = 1000 };

void seqlock_begin_write(struct seqlock *lock)
{
    /* It is odd already where a writer has died in the middle. */
    uint32_t count = atomic_load_explicit(&lock->count, memory_order_relaxed) | 1;

    atomic_store_explicit(&lock->count, count, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

void seqlock_end_write(struct seqlock *lock)
{
    uint32_t count = atomic_load_explicit(&lock->count, memory_order_relaxed);

    atomic_store_explicit(&lock->count, count + 1, memory_order_release);
}

bool seqlock_read(const struct seqlock *lock, void *to, const void *from, size_t size)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&lock->count, memory_order_acquire);

        memcpy(to, from, size);
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 && atomic_load_explicit(&lock->count, memory_order_relaxed) == before)
            return true;
    }
    return false;
}
