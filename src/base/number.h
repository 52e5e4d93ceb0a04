/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers as text: digits where they are written for each session, because printf() takes ten times
 * as long, and the nouns after them.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT_MAX = 20 }; /* the most that either function writes */

/* Write decimal or lower-case hexadecimal digits and no NUL. Return how many. */
size_t number_put(char *to, uint64_t value);
size_t number_put_hex(char *to, uint64_t value);

/* How a noun ends after this number: "" after 1, else "s". */
static inline const char *number_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
