/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns with wildcards ('?': one octet, '*': any number of octets) and lists of them, such as
 * the allow list of servers. Upper and lower case of ASCII letters are the same.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the whole of `text` matches `pattern`. Takes strlen(pattern) * strlen(text) steps at
 * worst. */
bool pattern_is_match(const char *pattern, const char *text);

/*
 * A list of patterns. An entry without wildcards is found by its hash, so 100,000 names cost no
 * more than ten; entries with wildcards are tried one after the other. The list has copies of its
 * texts.
 */
struct pattern_list;

/* Returns an empty list, or NULL where there is no memory. */
struct pattern_list *pattern_list_new(void);
void pattern_list_free(struct pattern_list *list); /* NULL: does nothing */

/* Adds a copy of one entry, once. Returns 0, or -1 with errno: EINVAL for an entry that is empty or
 * has blanks or control octets, ENOMEM. */
int pattern_list_add(struct pattern_list *list, const char *entry);

/* Adds all entries of a list that is separated by commas; blanks around them are ignored. Returns
 * as pattern_list_add() does. The entries before the one that failed are in the list then. */
int pattern_list_add_csv(struct pattern_list *list, const char *csv);

/* Whether an entry matches the whole of `text`. */
bool pattern_list_is_match(const struct pattern_list *list, const char *text);

#endif
