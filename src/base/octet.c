/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks and cleans whole texts with the classes of the header.
 */
#include "base/octet.h"

bool octets_are_printable(const char *octets, size_t length)
{
    size_t i = 0;

    while (i < length && octet_is_printable(octets[i]))
        i++;
    return i == length;
}

void octets_make_line(char *text)
{
    for (; *text != '\0'; text++)
        if (octet_is_control(*text))
            *text = '?';
}

void octets_make_word(char *text)
{
    for (; *text != '\0'; text++)
        if (!octet_is_graphic(*text))
            *text = '?';
}

void octets_copy_word(char *to, size_t size, const char *from)
{
    size_t i = 0;

    for (; from[i] != '\0' && i + 1 < size; i++)
        to[i] = octet_is_graphic(from[i]) ? from[i] : '?';
    to[i] = '\0';
}
