/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which descriptors a child keeps of its parent's, and how many a process may open.
 */
#ifndef BASE_DESCRIPTORS_H
#define BASE_DESCRIPTORS_H

#include <stddef.h>

/* Closes every descriptor but 0, 1, 2 and the `count` ones in `keep` (-1 among them is ignored;
 * the order is changed). Works without close_range(), which Linux before 5.9 lacks and containers
 * forbid. */
void descriptors_close_all_but(int *keep, size_t count);
/* Closes every descriptor from this one on. */
void descriptors_close_from(int first);

/* Points 0, 1 and 2 to /dev/null, except the one that is `except` (-1: none). Returns 0, or -1 where
 * it cannot be opened. */
int descriptors_detach_standard(int except);

/* Raises the soft limit of open files to the hard limit, for this process and its children. */
void descriptors_raise_limit(void);
/* Sets the soft limit back to what it was before that call. Call it before exec: another program
 * may use select(), which fails with high descriptors. */
void descriptors_restore_limit(void);

/* What to do where the limit is still too low, for messages. */
#define DESCRIPTORS_MEND "raise the limit of open files (LimitNOFILE=, ulimit -n)"

#endif
