/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coroutines: functions that have a stack of their own, can suspend themselves in the middle, and
 * are resumed later. A switch makes no system call. This module knows nothing of descriptors; when
 * to resume which coroutine is the caller's decision.
 *
 * A stack is 128 KiB of address space with a guard page below it. Only pages that were touched cost
 * memory: a single one for a coroutine that waits in short frames. Stacks of coroutines that have
 * ended are kept for new ones.
 */
#ifndef IO_COROUTINE_H
#define IO_COROUTINE_H

#include <stdbool.h>
#include <stddef.h>

/* The address sanitizer, by the names that GCC and Clang have for it, must be told of each switch. */
#ifdef __SANITIZE_ADDRESS__
#define COROUTINE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COROUTINE_SANITIZED 1
#endif
#endif

/*
 * Must be the first member of the object that a coroutine works on. The object lies at the top of
 * the coroutine's stack, so both share a page.
 */
struct coroutine {
    void *stack_pointer; /* while suspended */
    char *stack;         /* the lowest usable octet */
    void (*run)(struct coroutine *self);
    bool is_over;
#ifdef COROUTINE_SANITIZED
    void *fake_stack; /* the sanitizer's own */
#endif
};

/*
 * Makes a coroutine that calls `run` when it is first resumed. Returns an object of `size` octets
 * (at most COROUTINE_OBJECT_BYTES) that begins with a struct coroutine and is zero after it; NULL
 * without memory. The object exists until `run` returns.
 */
enum { COROUTINE_OBJECT_BYTES = 8192 };
void *coroutine_new(size_t size, void (*run)(struct coroutine *self));

/* Runs it until it suspends itself or ends. Returns whether it still exists. A coroutine must not
 * call this. */
bool coroutine_resume(struct coroutine *coroutine);

/* Called by a coroutine: returns to the caller of coroutine_resume() until it is resumed again. */
void coroutine_suspend(void);

/* Gives unused pages of a suspended coroutine's stack back to the system: those that only deeper
 * calls, which have returned, have touched. */
void coroutine_trim(struct coroutine *coroutine);

/* Gives the memory of unused stacks back to the system, except `keep` of them, and of at most
 * `most` stacks in this call. Returns false where more is left to give back. */
bool coroutine_trim_unused(size_t keep, size_t most);

/* False where the process has a shadow stack, by which the processor checks return addresses: a
 * switch would fail, so no coroutine can run. */
bool coroutine_is_supported(void);

#endif
