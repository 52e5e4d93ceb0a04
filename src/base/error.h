/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of an error: the function that finds it writes the text, and a caller that can reach the
 * user shows it.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum { ERROR_TEXT_SIZE = 512 };

/* One line: what is wrong, and how to mend it. */
struct error {
    char text[ERROR_TEXT_SIZE];
};

/* Writes the text, cut to fit. Control octets become '?'. Always returns -1, so that a failing
 * function can `return error_set(...)`. */
int error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
