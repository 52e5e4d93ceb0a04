/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks the entries of a list in a text, without a copy:
 *
 *     struct list_entry entry;
 *     while (list_next(&list, &entry))
 *         use(entry.text, entry.length);
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A part of the list's text: no NUL follows. */
struct list_entry {
    const char *text;
    size_t length;
};

/*
 * The next of entries that are separated by commas; blanks around an entry are not part of it. An
 * entry may be empty ("a,,b" has three, "" has one): the caller decides what that means. *list is
 * moved on, and NULL once the last entry was returned. Returns false when there is no further one;
 * a list that is NULL has none.
 */
bool list_next(const char **list, struct list_entry *entry);

/* The next of words that are separated by any number of the octets in `separators`, so that no word
 * is empty. *list is moved on. Returns false when there is no further one. */
bool list_next_word(const char **list, const char *separators, struct list_entry *entry);

/* How many entries list_next() finds. */
size_t list_length(const char *list);

/* Copies the entry to `to`, with a NUL. Returns false, and leaves "" there, where it does not fit
 * into `size` octets. */
bool list_copy(char *to, size_t size, const struct list_entry *entry);

#endif
