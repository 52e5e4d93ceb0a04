/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Anonymous mappings. The kernel fills them with zeros.
 */
#include "base/shared.h"

#include <sys/mman.h>

static void *map(size_t size, int sharing)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void *shared_new(size_t size)
{
    return map(size, MAP_SHARED);
}

void *unshared_new(size_t size)
{
    void *memory = map(size, MAP_PRIVATE);

    if (memory == NULL || madvise(memory, size, MADV_DONTFORK) == 0)
        return memory;
    shared_free(memory, size);
    return NULL;
}

void shared_free(void *memory, size_t size)
{
    if (memory != NULL)
        munmap(memory, size);
}
