/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files: opening what is meant to be one, telling whether two are the same, and closing on the way
 * out of a failure.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Opens a regular file to read. A FIFO without a writer does not block, a terminal does not become
 * ours. Fills *status_r (NULL: not wanted). Returns the descriptor, or -1 with errno: EISDIR for a
 * directory, EINVAL for anything else that is not a regular file.
 */
int file_open_regular(const char *path, struct stat *status_r);

/*
 * Whether a file that the server writes to may be a symbolic link: only in /dev, where only the
 * system makes links (/dev/stdout). Elsewhere a user who may write to the directory could make the
 * link lead to any file, so open with O_NOFOLLOW. For ELOOP then say FILE_LINK_MEND.
 */
bool file_may_be_link(const char *path);
#define FILE_LINK_MEND "is a symbolic link; name the file that it leads to"

/* Both are the status of one file. */
bool file_is_same(const struct stat *a, const struct stat *b);

/* The path leads to the open file: it was neither removed nor replaced. A symbolic link at the
 * path's end is not followed. False for -1 and NULL. */
bool file_is_at(int fd, const char *path);

/* Closes `fd` (-1: nothing) and keeps errno. Always returns -1, so that a failing function can
 * `return file_close_failed(fd)`. */
int file_close_failed(int fd);

#endif
