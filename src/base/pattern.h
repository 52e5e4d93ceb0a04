/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wildcard patterns: '?' stands for one octet, '*' for any number of them. What the texts mean is
 * not known here.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>

/* Whether the whole of `text` matches `pattern`; the case of ASCII letters does not matter. Linear
 * in practice, at worst strlen(pattern) * strlen(text); no recursion. */
bool pattern_is_match(const char *pattern, const char *text);

/* Whether the text has a wildcard. */
bool pattern_has_wildcard(const char *text);

#endif
