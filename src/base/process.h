/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes, and the memory that they do not share.
 *
 * A forked process shares each page with its parent until one of them writes to it. With a process
 * for each session, the pages that every process writes are what a session costs. So the few
 * variables that every process writes are kept together on as few pages as possible.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <sys/types.h>

/* For a variable that every worker writes: keeps it beside the others. */
#define PROCESS_OWN __attribute__((section("process_own")))

/* getpid() without a system call each time. Right in a child too, if process_fork() made it. */
pid_t process_id(void);

/*
 * fork() for a process with one thread. It leaves out what the C library does for other threads,
 * which would cost each child 12 KiB. Functions of pthread_atfork() are not called.
 */
pid_t process_fork(void);

/* Names this process for ps(1) and top(1): at most 15 octets. */
void process_set_name(const char *name);

/*
 * Gives memory back to the system before a long sleep: the stack below the caller's frame, which
 * earlier calls have touched, and the free part of the heap. Do not call it on the stack of a
 * coroutine.
 */
void process_trim(void);

/* Says that this process uses the heap. Without it process_trim() leaves the heap alone, because
 * even reading its lists writes to pages that are still shared. */
void process_note_heap(void);

#endif
