/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wildcard patterns ('?' one octet, '*' any run) and lists of them, such as the allow list of
 * servers. Matching ignores the case of ASCII letters and never looks at DNS.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* True when the whole of `text` matches `pattern`. Linear in practice, at worst
 * strlen(pattern) * strlen(text); no recursion. */
bool pattern_is_match(const char *pattern, const char *text);

/*
 * A list of patterns. Entries without wildcards are found by hash, so 100,000 names cost the same
 * as ten; entries with wildcards are tried in turn. Owns copies of its texts.
 */
struct pattern_list;

/* Returns an empty list, or NULL when out of memory. */
struct pattern_list *pattern_list_new(void);
void pattern_list_free(struct pattern_list *list); /* NULL is fine */

/* Adds one entry (copied). Returns 0; -1 with errno ENOMEM; -1 with errno EINVAL for an empty
 * entry or one with blanks or control octets. A repeated entry is kept once. */
int pattern_list_add(struct pattern_list *list, const char *entry);

/* Adds every entry of a comma separated list, blanks round the commas ignored. Returns like
 * pattern_list_add; an empty entry between commas is EINVAL. What stood before the entry that
 * failed has been added. */
int pattern_list_add_csv(struct pattern_list *list, const char *csv);

/* True when an entry matches the whole of `text`. An empty list matches nothing. */
bool pattern_list_is_match(const struct pattern_list *list, const char *text);

/* How many different entries (case ignored) the list has. */
size_t pattern_list_count(const struct pattern_list *list);

#endif
