/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes UTF-8, cleans it and writes it as JSON, one character after the other.
 */
#include "base/utf8.h"

#include <string.h>

#include "base/octet.h"

enum { CHARACTER_MAX = 0x10ffff };

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

/* A character above the first 65536 is a pair of surrogates. */
static void print_character(FILE *out, unsigned character)
{
    if (character > 0xffff) {
        fprintf(out, "\\u%04x", 0xd800 + ((character - 0x10000) >> 10));
        character = 0xdc00 + ((character - 0x10000) & 0x3ff);
    }
    fprintf(out, "\\u%04x", character);
}

void utf8_print_json(FILE *out, const char *text)
{
    const char *end = text + strlen(text);
    size_t taken;

    fputc('"', out);
    for (; text < end; text += taken) {
        unsigned character = utf8_decode(text, (size_t)(end - text), &taken);

        if (character == '"' || character == '\\')
            fprintf(out, "\\%c", character);
        else if (octet_is_printable(*text))
            fputc(*text, out);
        else if (character != 0)
            print_character(out, character);
        else
            fprintf(out, "\\\\x%02x", (unsigned char)*text);
    }
    fputc('"', out);
}
