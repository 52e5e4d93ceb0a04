/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes, cleans and measures UTF-8, one character after the other.
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

/* ---- classes ---- */

struct range {
    unsigned first, last;
};

/* The ranges are in ascending order. */
static bool is_in(const struct range *ranges, size_t count, unsigned character)
{
    for (size_t i = 0; i < count && ranges[i].first <= character; i++)
        if (character <= ranges[i].last)
            return true;
    return false;
}

/* Unicode's Cc, Cf, Zs, Zl and Zp, and what it says a display may ignore: joiners, fillers, selectors
 * of variants, tags. */
bool utf8_is_visible(unsigned character)
{
    static const struct range hidden[] = {
        {0x00, 0x1f},       {0x7f, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},
        {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
        {0x890, 0x891},     {0x8e2, 0x8e2},     {0x115f, 0x1160},   {0x1680, 0x1680},
        {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f},   {0x2028, 0x202f},
        {0x205f, 0x206f},   {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},
        {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xffff},
        {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
        {0x1d173, 0x1d17a}, {0xe0000, CHARACTER_MAX},
    };

    return !is_in(hidden, sizeof(hidden) / sizeof(hidden[0]), character);
}

static size_t width_of(unsigned character)
{
    static const struct range accents[] = {
        {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
        {0x6d6, 0x6dc},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f},
    };
    static const struct range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97f},
        {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},
        {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff},
        {0x20000, 0x3fffd},
    };

    if (is_in(accents, sizeof(accents) / sizeof(accents[0]), character))
        return 0;
    return is_in(wide, sizeof(wide) / sizeof(wide[0]), character) ? 2 : 1;
}

/* ---- cleaning ---- */

static void clean(char *text, size_t length, bool has_lines)
{
    size_t taken;

    for (size_t at = 0; at < length; at += taken) {
        unsigned character = utf8_decode(text + at, length - at, &taken);
        bool is_line_end = has_lines && text[at] == '\n';

        if (!is_line_end && !utf8_is_visible(character))
            memset(text + at, '?', taken);
    }
}

void utf8_clean(char *text, size_t length)
{
    clean(text, length, true);
}

void utf8_clean_line(char *text, size_t length)
{
    clean(text, length, false);
}

size_t utf8_whole(const char *text, size_t length)
{
    size_t at = length >= UTF8_OCTETS_MAX ? length - (UTF8_OCTETS_MAX - 1) : 0;

    /* The first octet of a character that needs more octets than are left. */
    for (; at < length; at++) {
        unsigned char octet = (unsigned char)text[at];
        size_t octets = octet >= 0xf0 ? 4 : octet >= 0xe0 ? 3 : octet >= 0xc2 ? 2 : 1;

        if (octet <= 0xf4 && octets > length - at)
            return at;
    }
    return length;
}

void utf8_copy_name(char *to, size_t size, const char *from)
{
    static const char dots[] = "\xe2\x80\xa6";
    const char *end = from + strlen(from);
    size_t length = 0, cut = 0; /* `cut`: where the dots still fit */
    size_t taken, put;

    for (; from < end; from += taken) {
        unsigned character = utf8_decode(from, (size_t)(end - from), &taken);
        bool is_visible = utf8_is_visible(character);

        put = is_visible ? taken : 1;
        if (length + sizeof(dots) <= size)
            cut = length;
        if (length + put >= size) {
            memcpy(to + cut, dots, sizeof(dots));
            return;
        }
        if (is_visible)
            memmove(to + length, from, put);
        else
            to[length] = '?';
        length += put;
    }
    to[length] = '\0';
}

/* ---- columns ---- */

size_t utf8_fit(const char *text, size_t length, size_t columns)
{
    size_t at = 0, taken;

    while (at < length) {
        size_t width = width_of(utf8_decode(text + at, length - at, &taken));

        if (width > columns)
            break;
        columns -= width;
        at += taken;
    }
    return at;
}

size_t utf8_columns(const char *text, size_t length)
{
    size_t columns = 0, taken;

    for (size_t at = 0; at < length; at += taken)
        columns += width_of(utf8_decode(text + at, length - at, &taken));
    return columns;
}
