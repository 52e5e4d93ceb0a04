/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contents of a `regexp:` table: lines "pattern value", of which the first that matches answers.
 * In the value, $1 to $9 stand for what the groups of the pattern matched, $0 for all of it, and $$
 * for a dollar sign. Knows no event loop.
 *
 * The pattern ends at the first blank; a colon just before that blank belongs to neither, as in
 * perdition's popmap.re. Matching ignores case.
 */
#ifndef ROUTE_ROUTE_REGEXP_H
#define ROUTE_ROUTE_REGEXP_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/error.h"
#include "route/route_table.h"

struct route_regexp;

/* Reads the file. A pattern that matches anywhere in a key is a warning. NULL with `error` set
 * ("PATH:LINE: what is wrong and the mend") when the file cannot be read, is larger than a megabyte,
 * or has a line that is no pattern and value. `warn` may be NULL. */
struct route_regexp *route_regexp_load(const char *path, route_warning *warn, void *context,
                                       struct error *error);

/*
 * Makes the value for a key. Returns ROUTE_FOUND with `*length_r` octets in `value`, ROUTE_NOT_FOUND,
 * or ROUTE_FAILED with `error` set: matching costs too much, the value is too long, or what a group
 * matched would change the meaning of the value. A group may add neither a word nor a server.
 */
enum route_result route_regexp_find(const struct route_regexp *table, const char *key,
                                    char value[ROUTE_VALUE_MAX], size_t *length_r,
                                    struct error *error);

/* The state of the file as it was read, to see a change. */
const struct stat *route_regexp_state(const struct route_regexp *table);

void route_regexp_free(struct route_regexp *table); /* NULL is harmless */

#endif
