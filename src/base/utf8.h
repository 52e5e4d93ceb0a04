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

enum { UTF8_OCTETS_MAX = 4 }; /* of one character */

/* The character that begins at `text`, which has at least one octet. *taken_r is the number of its
 * octets. Returns 0 where there is no UTF-8 (and for the octet 0); *taken_r is 1 then. */
unsigned utf8_decode(const char *text, size_t length, size_t *taken_r);

/* Whether a character may be shown: it is no control character, no space but U+0020, and none that
 * is invisible or sets the direction of writing. */
bool utf8_is_visible(unsigned character);

/* Replaces every octet that belongs to no visible character by '?', except line ends: the text has
 * as many octets and lines as before. */
void utf8_clean(char *text, size_t length);

/* The same, and line ends too: it stays one line. */
void utf8_clean_line(char *text, size_t length);

/* How many octets of the text end with a whole character: less than `length` only where the text
 * breaks off inside the last one. */
size_t utf8_whole(const char *text, size_t length);

/*
 * Copies a name that people read: each character that is not visible, and each octet that is no UTF-8,
 * becomes one '?'. If it does not fit into `size` octets with its NUL, it is cut between two characters
 * and ends with U+2026, the character of three dots. `size` is at least 4. `to` may be `from`: so a
 * text that another process wrote is cleaned in place.
 */
void utf8_copy_name(char *to, size_t size, const char *from);

/* How many columns of a terminal a clean text takes. Accents of their own take none; ideographs and
 * most pictures take two. */
size_t utf8_columns(const char *text, size_t length);

/* How many octets at the beginning of a clean text fit into so many columns. */
size_t utf8_fit(const char *text, size_t length, size_t columns);

#endif
