/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes, cleans, cuts and counts UTF-8. An octet that is no UTF-8 counts as one character.
 */
#include "base/utf8.h"

#include <string.h>

enum { CHARACTER_MAX = 0x10ffff };

static const char ellipsis[] = "\xe2\x80\xa6"; /* … */

unsigned utf8_decode(const char *text, size_t length, size_t *taken_r)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    unsigned octets = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
    unsigned value = first & (octets == 1 ? 0x7fu : 0x7fu >> octets);

    *taken_r = 1;
    if (octets == 1)
        return first < 0x80 ? first : 0;
    if (first > 0xf4 || length < octets)
        return 0;
    for (unsigned i = 1; i < octets; i++) {
        unsigned char octet = (unsigned char)text[i];

        if ((octet & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (octet & 0x3f);
    }
    if (value < least[octets] || value > CHARACTER_MAX || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *taken_r = octets;
    return value;
}

bool utf8_is_visible(unsigned character)
{
    static const struct {
        unsigned first, last;
    } hidden[] = {
        {0x00, 0x1f},     {0x7f, 0xa0},     {0xad, 0xad},       {0x61c, 0x61c},
        {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f},   {0x2028, 0x202f},
        {0x205f, 0x206f}, {0x3000, 0x3000}, {0xfeff, 0xfeff},   {0xfff0, 0xffff},
        {0xe0000, CHARACTER_MAX},
    };

    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (character >= hidden[i].first && character <= hidden[i].last)
            return false;
    return true;
}

void utf8_clean(char *text, size_t length)
{
    size_t taken;

    for (size_t at = 0; at < length; at += taken) {
        unsigned character = utf8_decode(text + at, length - at, &taken);

        if (text[at] != '\n' && !utf8_is_visible(character))
            memset(text + at, '?', taken);
    }
}

/* Where to cut a text that does not fit, so that the dots have room. */
static size_t cut_of(const char *text, size_t room)
{
    size_t length = strlen(text), at = 0, taken = 0;

    do {
        at += taken;
        (void)utf8_decode(text + at, length - at, &taken);
    } while (at + taken <= room);
    return at;
}

void utf8_copy_word(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    bool is_cut = length >= size;

    if (is_cut)
        length = cut_of(from, size - sizeof(ellipsis));
    memcpy(to, from, length);
    utf8_clean(to, length);
    for (size_t i = 0; i < length; i++)
        if (to[i] == ' ' || to[i] == '\n')
            to[i] = '?';
    memcpy(to + length, is_cut ? ellipsis : "", is_cut ? sizeof(ellipsis) : 1);
}

size_t utf8_columns(const char *text)
{
    size_t columns = 0, taken;

    for (; *text != '\0'; text += taken, columns++)
        (void)utf8_decode(text, strnlen(text, 4), &taken);
    return columns;
}

size_t utf8_prefix(const char *text, size_t length, size_t columns)
{
    size_t at = 0, taken;

    for (; at < length && columns > 0; at += taken, columns--)
        (void)utf8_decode(text + at, length - at, &taken);
    return at;
}
