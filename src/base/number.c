/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Digits, written from the last one back.
 */
#include "base/number.h"

#include <string.h>

static size_t put(char *to, uint64_t value, unsigned base)
{
    char digits[NUMBER_TEXT_MAX];
    size_t first = sizeof(digits);

    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    memcpy(to, digits + first, sizeof(digits) - first);
    return sizeof(digits) - first;
}

size_t number_put(char *to, uint64_t value)
{
    return put(to, value, 10);
}

size_t number_put_hex(char *to, uint64_t value)
{
    return put(to, value, 16);
}
