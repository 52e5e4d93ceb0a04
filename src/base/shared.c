/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/shared.h"

#include <sys/mman.h>

void *shared_new(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void shared_free(void *memory, size_t size)
{
    if (memory != NULL)
        munmap(memory, size);
}
