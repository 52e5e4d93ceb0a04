/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one binary hands on to the next in an upgrade: open descriptors, under names. The owner of
 * a descriptor passes it in the process that is about to become the next binary, and takes it
 * under the same name in the next binary. Names are environment variables, so that binaries of
 * different versions understand each other: a name that one of them does not know is ignored.
 */
#ifndef BASE_INHERIT_H
#define BASE_INHERIT_H

#include <stdbool.h>
#include <stddef.h>

/* The socket to the previous binary, which waits to hear that this one is ready. */
#define INHERIT_READY "POP3_PROXY_READY_FD"

/* Whether an upgrade started this process and INHERIT_READY is not taken yet: the previous binary
 * still serves. */
bool inherit_is_successor(void);

/*
 * Takes what was passed under this name and removes the name. Returns the descriptor, which is
 * closed on exec from now on, or -1 when there is none. `text`, unless NULL, receives a copy of the
 * text that was passed with it, which the caller frees; NULL when there is none.
 */
int inherit_take(const char *name, char **text);

/* The same for several descriptors under one name: writes up to `max` of them to `fds` and returns
 * how many. */
size_t inherit_take_all(const char *name, int *fds, size_t max);

/*
 * A file in memory of this size, which nobody can make shorter: the one that was passed under this
 * name, if it is such a file of the same size, or else a new one with zeros. -1 with errno.
 */
int inherit_memory(const char *name, size_t size);

/*
 * Lets the descriptor stay open over exec and passes it under this name, with a text unless `text`
 * is NULL. Without a text several descriptors may be passed under one name. A descriptor of -1 is
 * ignored. Only for a process that does nothing but exec afterwards.
 */
void inherit_pass(const char *name, int fd, const char *text);

#endif
