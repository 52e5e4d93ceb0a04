/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contents of a `file:` table: lines "key SEPARATOR value" in memory, found by hash. Reads a
 * file as a whole or not at all. Knows no event loop.
 *
 * The separator is the first colon or the first blanks, so that perdition's popmap, a Postfix table
 * and a TSV file all are such tables. Empty lines and lines that begin with `#` say nothing.
 */
#ifndef ROUTE_ROUTE_FILE_H
#define ROUTE_ROUTE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/error.h"
#include "route/route_table.h"

struct route_file;

/*
 * Begins to read the file. NULL with `error` set when it cannot be opened or is no regular file.
 * The groups that its values name are looked up in `environment`, which may be NULL.
 */
struct route_file *route_file_open(const char *path, const struct route_environment *environment,
                                   struct error *error);

/*
 * Goes on for about a millisecond. Returns 1 when the file has been read, 0 when it has to be
 * called again, and -1 with `error` set ("PATH:LINE: what is wrong and the mend") when the file is
 * broken, or has changed while it was read.
 */
int route_file_read(struct route_file *file, struct error *error);

/* The value of a key in lower case, `*length_r` octets in the file's memory; NULL when there is none.
 * For a file that has been read. */
const char *route_file_find(const struct route_file *file, const char *key, size_t *length_r);

/* The number of the line that has this value, for messages: it counts the lines before. */
unsigned route_file_line(const struct route_file *file, const char *value);

/* The first line with a field that we do not know, and in *count_r how many such lines there are: the
 * field has no effect. NULL: none. The text is "PATH:LINE: NAME". */
const char *route_file_unknown(const struct route_file *file, size_t *count_r);

/* How many keys it has, and the octets of memory it takes. */
size_t route_file_count(const struct route_file *file);
size_t route_file_memory(const struct route_file *file);

/* The state of the file as it was read, to see a change. */
const struct stat *route_file_state(const struct route_file *file);

/* Both are the state of one file with one content, as far as its size and times tell. */
bool route_file_is_same(const struct stat *a, const struct stat *b);

/* Wipes and frees it; NULL is harmless. */
void route_file_free(struct route_file *file);

#endif
