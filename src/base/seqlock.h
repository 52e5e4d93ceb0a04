/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sequence lock: one process writes a value in shared memory, any others copy it, and nobody
 * waits for a lock. The count is odd while the value changes. A reader copies the value and takes
 * the copy only if the count was even before and is the same after.
 *
 * A writer that dies in the middle leaves the count odd: readers then find no value, until another
 * writer writes one.
 */
#ifndef BASE_SEQLOCK_H
#define BASE_SEQLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: nothing has been written yet. */
struct seqlock {
    _Atomic uint32_t count;
};

/* Call around each change of the value. There must be only one writer at a time. */
void seqlock_begin_write(struct seqlock *lock);
void seqlock_end_write(struct seqlock *lock);

/* True once a value was written, or at least begun. */
static inline bool seqlock_is_used(const struct seqlock *lock)
{
    return atomic_load_explicit(&lock->count, memory_order_relaxed) != 0;
}

/* Copies `size` octets at `from`, which `lock` guards, to `to`. Returns false where no copy was of
 * one moment after a thousand tries; `to` then holds nothing of use. */
bool seqlock_read(const struct seqlock *lock, void *to, const void *from, size_t size);

#endif
