/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coroutines, and the pool of their stacks, of which each process has one.
 */
#include "io/coroutine.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "io/coroutine_switch.h"

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(from, to) ((void)(from), (void)(to))
#endif

#ifdef COROUTINE_SANITIZED
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
enum { STACK_BYTES = 1024 * 1024 };
#else
enum { STACK_BYTES = 128 * 1024 };
#endif

enum { CHUNK_STACKS = 64 }; /* in one mapping */

/* Makes guard pages inside a mapping, without splitting it (Linux 6.13); older headers lack it. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static struct coroutine *current;
static void *resumer; /* the stack pointer of the caller of coroutine_resume() */

/* ---- stacks ---- */

/* The unused stacks, the most recently used one last. The first `cold_count` hold no memory. */
static struct {
    char **unused;
    size_t unused_count;
    size_t cold_count;
    size_t made; /* in use or not; `unused` has room for all */
    size_t page_bytes;
} stacks;

static int guard(char *page)
{
    if (madvise(page, stacks.page_bytes, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(page, stacks.page_bytes, PROT_NONE);
}

/* Maps a chunk of stacks, which hold no memory yet, and puts them into the pool. */
static int make_stacks(void)
{
    size_t bytes = (size_t)STACK_BYTES * CHUNK_STACKS;
    char **room = realloc(stacks.unused, (stacks.made + CHUNK_STACKS) * sizeof(*room));
    char *memory;

    if (room == NULL)
        return -1;
    stacks.unused = room;
    stacks.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    /* A huge page, touched once, would take the memory of sixteen stacks. */
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < CHUNK_STACKS; i++) {
        if (guard(memory + i * STACK_BYTES) == -1) {
            munmap(memory, bytes);
            return -1;
        }
    }
    for (size_t i = 0; i < CHUNK_STACKS; i++) {
        char *stack = memory + i * STACK_BYTES;
        (void)VALGRIND_STACK_REGISTER(stack + stacks.page_bytes, stack + STACK_BYTES);
        stacks.unused[stacks.unused_count++] = stack;
    }
    stacks.cold_count = stacks.unused_count;
    stacks.made += CHUNK_STACKS;
    return 0;
}

/* Returns the lowest octet of a stack, where its guard page is; NULL without memory. */
static char *take_stack(void)
{
    if (stacks.unused_count == 0 && make_stacks() == -1)
        return NULL;
    stacks.unused_count--;
    if (stacks.cold_count > stacks.unused_count)
        stacks.cold_count = stacks.unused_count;
    return stacks.unused[stacks.unused_count];
}

static void give_stack(char *stack)
{
#ifdef COROUTINE_SANITIZED
    __asan_unpoison_memory_region(stack + stacks.page_bytes, STACK_BYTES - stacks.page_bytes);
#endif
    stacks.unused[stacks.unused_count++] = stack;
}

bool coroutine_trim_unused(size_t keep, size_t most)
{
    for (; stacks.unused_count - stacks.cold_count > keep && most > 0; most--) {
        char *stack = stacks.unused[stacks.cold_count++];
        (void)madvise(stack + stacks.page_bytes, STACK_BYTES - stacks.page_bytes, MADV_DONTNEED);
    }
    return stacks.unused_count - stacks.cold_count <= keep;
}

void coroutine_trim(struct coroutine *coroutine)
{
    uintptr_t in_use = (uintptr_t)coroutine->stack_pointer & ~(stacks.page_bytes - 1);
    uintptr_t lowest = (uintptr_t)coroutine->stack;

    if (in_use > lowest)
        (void)madvise(coroutine->stack, in_use - lowest, MADV_DONTNEED);
}

/* ---- switching ---- */

/* The address sanitizer has to be told which stack is the current one. */
#ifdef COROUTINE_SANITIZED

static const void *resumer_stack;
static size_t resumer_stack_bytes;

static void switch_in(struct coroutine *to)
{
    void *fake_stack;

    __sanitizer_start_switch_fiber(&fake_stack, to->stack, STACK_BYTES - stacks.page_bytes);
    coroutine_switch(&resumer, to->stack_pointer);
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}

static void has_switched_in(struct coroutine *self)
{
    __sanitizer_finish_switch_fiber(self->fake_stack, &resumer_stack, &resumer_stack_bytes);
}

static void switch_out(struct coroutine *self)
{
    __sanitizer_start_switch_fiber(self->is_over ? NULL : &self->fake_stack, resumer_stack,
                                   resumer_stack_bytes);
    coroutine_switch(&self->stack_pointer, resumer);
    has_switched_in(self);
}

#else

static inline void switch_in(struct coroutine *to)
{
    coroutine_switch(&resumer, to->stack_pointer);
}

static inline void has_switched_in(struct coroutine *self)
{
    (void)self;
}

static inline void switch_out(struct coroutine *self)
{
    coroutine_switch(&self->stack_pointer, resumer);
}

#endif

/* The first function on a new stack. It never returns: there is no frame to return to. */
static void enter(void)
{
    struct coroutine *self = current;

    has_switched_in(self);
    self->run(self);
    self->is_over = true;
    switch_out(self);
    abort();
}

/* ---- coroutines ---- */

void *coroutine_new(size_t size, void (*run)(struct coroutine *self))
{
    char *stack = take_stack();
    struct coroutine *coroutine;
    char *object;

    assert(size <= COROUTINE_OBJECT_BYTES);
    if (stack == NULL)
        return NULL;
    object = stack + STACK_BYTES - (size + 63) / 64 * 64;
    memset(object, 0, size);
    coroutine = (struct coroutine *)(void *)object;
    coroutine->stack = stack + stacks.page_bytes;
    coroutine->run = run;
    coroutine->stack_pointer = coroutine_prepare(object, enter);
    return object;
}

bool coroutine_resume(struct coroutine *coroutine)
{
    assert(current == NULL);
    current = coroutine;
    switch_in(coroutine);
    current = NULL;
    if (!coroutine->is_over)
        return true;
    give_stack(coroutine->stack - stacks.page_bytes);
    return false;
}

void coroutine_suspend(void)
{
    struct coroutine *self = current;

    switch_out(self);
}

bool coroutine_is_supported(void)
{
    return coroutine_can_switch();
}
