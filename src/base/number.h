/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers as text, for what is written for each session: printf() finds out the same at ten times
 * the cost.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT_MAX = 20 }; /* octets that either function writes at most */

/* Write the digits and no NUL; return how many. Hexadecimal ones are lower case. */
size_t number_put(char *to, uint64_t value);
size_t number_put_hex(char *to, uint64_t value);

#endif
