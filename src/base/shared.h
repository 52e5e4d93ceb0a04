/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that a process shares with its children, and memory that its children do not see.
 */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stddef.h>

/* Returns memory, all zero, that children forked later share; NULL where there is none. */
void *shared_new(size_t size);
/* The same, but children forked later have nothing at its address. */
void *unshared_new(size_t size);
/*
 * The same as unshared_new(), but children forked later have a second mapping of the memory, at
 * *view_r. They can only read it: not even mprotect(2) makes it writable. Free both. NULL with errno
 * where the kernel cannot promise that.
 */
void *published_new(size_t size, const void **view_r);
/* Frees any of these. NULL: does nothing. */
void shared_free(const void *memory, size_t size);

#endif
