/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This process and those forked from it, and what memory they do not share.
 *
 * A forked process shares every page with its parent until one of them writes to it. With a process
 * for each session, a page that all of them write to is what a session costs, so the few variables
 * that they do write lie together.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <sys/types.h>

/* Of a variable that every worker writes: it lies beside the others of its kind. */
#define PROCESS_OWN __attribute__((section("process_own")))

/* getpid() without asking the system each time; right in forked children as well, if they were
 * forked by process_fork(). */
pid_t process_id(void);

/*
 * fork(), for a process of one thread: nothing is tidied up that only other threads could have left
 * in disorder, which would give each child 12 KiB of its own. Functions registered by
 * pthread_atfork() are not called.
 */
pid_t process_fork(void);

/*
 * Gives memory back to the system that this process can do without while it sleeps: the stack below
 * the caller, which deeper calls have touched before, and what is free of the heap. Not to be
 * called on a coroutine's stack.
 */
void process_trim(void);

/* This process takes memory from the heap. One that does not say so is spared the look at the heap,
 * which alone would give it pages of its own. */
void process_note_heap(void);

#endif
