/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one place that knows which characters JSON escapes, and how.
 */
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/octet.h"
#include "base/utf8.h"

static char *put_hex(char *to, unsigned value, int digits)
{
    static const char hex[] = "0123456789abcdef";

    while (digits-- > 0)
        *to++ = hex[value >> (4 * digits) & 15];
    return to;
}

static char *put_unit(char *to, unsigned unit)
{
    *to++ = '\\';
    *to++ = 'u';
    return put_hex(to, unit, 4);
}

char *json_put_character(char *to, unsigned character, char octet)
{
    if (octet == '"' || octet == '\\')
        *to++ = '\\';
    if (octet_is_printable(octet)) {
        *to++ = octet;
        return to;
    }
    if (character > 0xffff) {
        to = put_unit(to, 0xd800 + ((character - 0x10000) >> 10));
        return put_unit(to, 0xdc00 + ((character - 0x10000) & 0x3ff));
    }
    if (character != 0 || octet == '\0')
        return put_unit(to, character);
    memcpy(to, "\\\\x", 3);
    return put_hex(to + 3, (unsigned char)octet, 2);
}

static size_t plain_length(const char *text)
{
    size_t length = 0;

    while (octet_is_printable(text[length]) && text[length] != '"' && text[length] != '\\')
        length++;
    return length;
}

void json_string(FILE *out, const char *text)
{
    const char *end = text + strlen(text);
    char written[JSON_CHARACTER_MAX];

    fputc('"', out);
    while (text < end) {
        size_t taken = plain_length(text);
        unsigned character;
        const char *written_end;

        fwrite(text, 1, taken, out);
        text += taken;
        if (text == end)
            break;
        character = utf8_decode(text, (size_t)(end - text), &taken);
        written_end = json_put_character(written, character, *text);
        fwrite(written, 1, (size_t)(written_end - written), out);
        text += taken;
    }
    fputc('"', out);
}

void json_text(FILE *out, const char *key, const char *text)
{
    fprintf(out, "\"%s\":", key);
    json_string(out, text);
}

void json_number(FILE *out, const char *key, uint64_t value)
{
    fprintf(out, ",\"%s\":%" PRIu64, key, value);
}
