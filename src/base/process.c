/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps the memory small that a process does not share with its siblings.
 */
#include "base/process.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "config.h"

enum {
    /* no session uses more of the stack than about this */
    STACK_BYTES = 64 * 1024,
    FRAME_BYTES = 512, /* of trim_stack() itself, at most */
};

static pid_t id PROCESS_OWN;
static bool has_heap PROCESS_OWN;

pid_t process_id(void)
{
    if (id == 0)
        id = getpid();
    return id;
}

void process_set_name(const char *name)
{
    (void)prctl(PR_SET_NAME, name);
}

pid_t process_fork(void)
{
#ifdef HAVE__FORK
    pid_t pid = _Fork();
#else
    pid_t pid = fork();
#endif

    if (pid == 0)
        id = 0;
    return pid;
}

static void trim_stack(void)
{
    uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    char *here = __builtin_frame_address(0);
    char *end = here - FRAME_BYTES - ((uintptr_t)here - FRAME_BYTES) % page_bytes;

    /* This fails only where the stack was never that deep and nothing is mapped there. */
    (void)madvise(end - STACK_BYTES, STACK_BYTES, MADV_DONTNEED);
}

void process_note_heap(void)
{
    has_heap = true;
}

void process_trim(void)
{
#ifdef HAVE_MALLOC_TRIM
    if (has_heap)
        malloc_trim(0);
#endif
    trim_stack();
}
