/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UTF-8 (RFC 3629) in texts that come from the network and are shown to people. A character that
 * moves the cursor, changes the direction of writing or cannot be seen would let a text look like
 * another one, so such characters are replaced.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The character that begins at `text`, which has at least one octet. *taken_r is the number of its
 * octets. Returns 0 where there is no UTF-8 (and for the octet 0); *taken_r is 1 then. */
unsigned utf8_decode(const char *text, size_t length, size_t *taken_r);

/* Whether a character may be shown: it is no control character, no space but U+0020, and none that
 * is invisible or sets the direction of writing. */
bool utf8_is_visible(unsigned character);

/* Replaces every octet that belongs to no visible character by '?', except line ends: the text has
 * as many octets and lines as before. */
void utf8_clean(char *text, size_t length);

/* Prints a text as a JSON string with its quotes, in ASCII alone: UTF-8 becomes characters, and an
 * octet that is no UTF-8 becomes the text \xHH, as in the JSON of the log. */
void utf8_print_json(FILE *out, const char *text);

#endif
