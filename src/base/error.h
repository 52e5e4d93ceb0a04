/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a mistake, filled by whoever finds it and printed once by whoever can be heard.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum { ERROR_TEXT_SIZE = 512 };

/* One line: what is wrong, and the mend. Empty while nothing is. */
struct error {
    char text[ERROR_TEXT_SIZE];
};

/* Writes the text, cut to fit. Always returns -1, so that a failing function can
 * `return error_set(...)`. */
int error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
