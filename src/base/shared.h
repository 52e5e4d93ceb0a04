/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that a process shares with the children it forks.
 */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stddef.h>

/* Zeroed memory shared with every process forked later; NULL when there is none. */
void *shared_new(size_t size);
void shared_free(void *memory, size_t size);

#endif
