/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classes of octets, by ASCII alone: isprint(3) and tolower(3) follow the locale.
 *
 * Texts come from the network and go to logs, terminals, files and other programs. Each of these
 * decides with the classes below what may pass.
 */
#ifndef BASE_OCTET_H
#define BASE_OCTET_H

#include <stdbool.h>
#include <stddef.h>

/* 0x00 to 0x1f and 0x7f. Octets from 0x80 on are not among them: they may be UTF-8. */
static inline bool octet_is_control(char octet)
{
    return (unsigned char)octet < 0x20 || octet == 0x7f;
}

/* 0x20 to 0x7e: ASCII that stands on a line, blank included. */
static inline bool octet_is_printable(char octet)
{
    return (unsigned char)octet >= 0x20 && (unsigned char)octet < 0x7f;
}

/* 0x21 to 0x7e: ASCII that can be seen. */
static inline bool octet_is_graphic(char octet)
{
    return (unsigned char)octet > 0x20 && (unsigned char)octet < 0x7f;
}

/* Space or tab. */
static inline bool octet_is_blank(char octet)
{
    return octet == ' ' || octet == '\t';
}

static inline bool octet_is_digit(char octet)
{
    return octet >= '0' && octet <= '9';
}

/* A to Z become a to z; every other octet stays. */
static inline char octet_lower(char octet)
{
    return octet >= 'A' && octet <= 'Z' ? (char)(octet - 'A' + 'a') : octet;
}

/* All `length` octets are printable; true for none. */
bool octets_are_printable(const char *octets, size_t length);

/* Replaces each control octet of a text by '?', so that it stays one line wherever it is shown. */
void octets_make_line(char *text);

/* The same for each octet that is not graphic: the text is one word then, in plain ASCII. */
void octets_make_word(char *text);

/* Copies a text as octets_make_word() leaves it, cut to `size` octets with its NUL. */
void octets_copy_word(char *to, size_t size, const char *from);

#endif
