/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings without a file. The kernel fills them with zeros.
 */
#include "base/shared.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

static void *map_anonymous(size_t size, int sharing)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void *shared_new(size_t size)
{
    return map_anonymous(size, MAP_SHARED);
}

void *unshared_new(size_t size)
{
    void *memory = map_anonymous(size, MAP_PRIVATE);

    if (memory == NULL || madvise(memory, size, MADV_DONTFORK) == 0)
        return memory;
    shared_free(memory, size);
    return NULL;
}

/* A descriptor that gives no mapping the right to write, ever; takes `fd`. -1 with errno. */
static int make_read_only(int fd)
{
    char path[64];
    int reopened;

    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0)
        return fd;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* an older kernel */
    reopened = open(path, O_RDONLY | O_CLOEXEC);
    file_close_failed(fd);
    return reopened;
}

static void *map_file(int fd, size_t size, int rights)
{
    void *memory = mmap(NULL, size, rights, MAP_SHARED, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void *published_new(size_t size, const void **view_r)
{
    int fd = memfd_create("published", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *memory = NULL;
    bool is_done = false;

    *view_r = NULL;
    if (fd != -1 && ftruncate(fd, (off_t)size) == 0)
        memory = map_file(fd, size, PROT_READ | PROT_WRITE);
    if (memory != NULL && madvise(memory, size, MADV_DONTFORK) == 0) {
        fd = make_read_only(fd);
        *view_r = fd == -1 ? NULL : map_file(fd, size, PROT_READ);
        is_done = *view_r != NULL;
    }
    file_close_failed(fd);
    if (is_done)
        return memory;
    shared_free(memory, size);
    return NULL;
}

void shared_free(const void *memory, size_t size)
{
    if (memory != NULL)
        munmap((void *)(uintptr_t)memory, size);
}
