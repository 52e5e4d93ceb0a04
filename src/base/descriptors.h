/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a forked child keeps open of what its parent had, and how much a process may open.
 */
#ifndef BASE_DESCRIPTORS_H
#define BASE_DESCRIPTORS_H

#include <stddef.h>

/* Closes every descriptor but 0, 1, 2 and the `count` ones in `keep` (-1 among them is ignored;
 * the order is changed). */
void descriptors_close_all_but(int *keep, size_t count);

/* Points 0, 1 and 2 to /dev/null, but leaves the one that is `except` (-1: none). */
void descriptors_detach_standard(int except);

/* Raises the limit of open files to its ceiling, for this process and those that it forks. */
void descriptors_raise_limit(void);
/* Puts it back to what it was, if it was raised: for another program, which may not be made for
 * descriptors of large numbers. */
void descriptors_restore_limit(void);

/* What mends EMFILE after that. */
#define DESCRIPTORS_MEND "raise the limit of open files (LimitNOFILE=, ulimit -n)"

#endif
