/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages to the person at the terminal, on standard error. What happens once the log is open is
 * told there instead.
 */
#ifndef BASE_COMPLAIN_H
#define BASE_COMPLAIN_H

/* Writes "pop3.proxy: ", the message and a line end. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a text, in the form that functions take which report what they find. */
void complain_text(void *unused, const char *text);

#endif
