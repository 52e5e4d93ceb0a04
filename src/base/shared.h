/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that a process shares with the children it forks, and memory that it keeps from them.
 */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stddef.h>

/* Zeroed memory shared with every process forked later; NULL when there is none. */
void *shared_new(size_t size);
/* The same, for no process forked later: there is nothing at its address. */
void *unshared_new(size_t size);
/* Frees either; NULL is harmless. */
void shared_free(void *memory, size_t size);

#endif
