/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coroutines: functions with a stack of their own that can be left in the middle and resumed. A
 * switch makes no system call. Knows nothing of descriptors or of who resumes whom.
 *
 * A stack is 128 KiB of address space with a guard page below it, of which only touched pages cost
 * memory: one for a coroutine that waits with short frames. Stacks of ended coroutines are kept
 * for the next.
 */
#ifndef IO_COROUTINE_H
#define IO_COROUTINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The first member of an object that a coroutine works on. The object lies at the top of the
 * coroutine's stack, so both share a page.
 */
struct coroutine {
    void *stack_pointer; /* while suspended */
    char *stack;         /* its lowest usable octet */
    void (*run)(struct coroutine *self);
    bool is_over;
#ifdef __SANITIZE_ADDRESS__
    void *fake_stack; /* the sanitizer's own */
#endif
};

/*
 * Makes a coroutine that will call `run` once it is first resumed. Returns an object of `size`
 * octets (at most COROUTINE_OBJECT_BYTES) that begins with a struct coroutine, all zero behind it;
 * NULL when there is no memory. The object is gone once `run` has returned.
 */
enum { COROUTINE_OBJECT_BYTES = 8192 };
void *coroutine_new(size_t size, void (*run)(struct coroutine *self));

/* Runs it until it suspends itself or ends. Returns whether it still exists. Not to be called from
 * inside a coroutine. */
bool coroutine_resume(struct coroutine *coroutine);

/* Inside a coroutine: goes back to who resumed it, until it is resumed again. */
void coroutine_suspend(void);

/* The one that is running; NULL outside. */
struct coroutine *coroutine_current(void);

/* Gives the pages below the frames of a suspended coroutine back to the system: what deeper calls
 * have touched before. */
void coroutine_trim(struct coroutine *coroutine);

/* Gives the memory of unused stacks back to the system, but for `keep` of them, and of no more than
 * `most` at once. Returns whether all of it was. */
bool coroutine_trim_unused(size_t keep, size_t most);

/* False where the processor checks return addresses in a way that this way of switching does not
 * serve: then no coroutine can be run. */
bool coroutine_is_supported(void);

#endif
