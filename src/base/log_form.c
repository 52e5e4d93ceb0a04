/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the pairs of a line back: a value ends at a blank, or at its quote, because both are
 * escaped inside values. A line that was cut off may end inside any part of a pair.
 */
#include "base/log_form.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "base/number.h"
#include "base/octet.h"
#include "base/utf8.h"

enum { ESCAPE_BYTES = 4 }; /* \xHH */

struct pair {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
    bool is_quoted;
};

/* ---- reading ---- */

static bool next_pair(const char **at, const char *end, struct pair *pair)
{
    const char *equals, *stop;

    while (*at < end && **at == ' ')
        (*at)++;
    equals = memchr(*at, '=', (size_t)(end - *at));
    if (equals == NULL)
        return false;
    pair->key = *at;
    pair->key_length = (size_t)(equals - *at);
    pair->is_quoted = equals + 1 < end && equals[1] == '"';
    pair->value = equals + 1 + pair->is_quoted;
    stop = memchr(pair->value, pair->is_quoted ? '"' : ' ', (size_t)(end - pair->value));
    if (stop == NULL)
        stop = end;
    pair->value_length = (size_t)(stop - pair->value);
    *at = stop < end ? stop + 1 : end;
    return true;
}

unsigned log_form_count(const char *text, size_t length)
{
    const char *end = text + length;
    unsigned count = 0;
    struct pair pair;

    while (next_pair(&text, end, &pair))
        count++;
    return count;
}

static int hex_digit(char c)
{
    return octet_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next octet of a value. *taken_r is how much of the text stands for it. */
static unsigned char octet_at(const char *text, size_t length, size_t *taken_r)
{
    *taken_r = 1;
    if (length < ESCAPE_BYTES || text[0] != '\\' || text[1] != 'x' || hex_digit(text[2]) < 0 ||
        hex_digit(text[3]) < 0)
        return (unsigned char)text[0];
    *taken_r = ESCAPE_BYTES;
    return (unsigned char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
}

/* The next character of a value, whose octets may be escaped each; 0: no UTF-8. *octet_r is its first
 * octet. */
static unsigned character_at(const char *text, size_t length, char *octet_r, size_t *taken_r)
{
    char octets[UTF8_OCTETS_MAX];
    size_t ends[UTF8_OCTETS_MAX] = {0}; /* in the text, of each of these octets */
    size_t count = 0, at = 0, taken;
    unsigned character;

    while (count < UTF8_OCTETS_MAX && at < length) {
        size_t step;

        octets[count] = (char)octet_at(text + at, length - at, &step);
        at += step;
        ends[count++] = at;
    }
    character = utf8_decode(octets, count, &taken);
    *octet_r = octets[0];
    *taken_r = ends[taken - 1];
    return character;
}

/* ---- JSON ---- */

static char *put(char *to, const char *text, size_t length)
{
    memcpy(to, text, length);
    return to + length;
}

static char *put_text(char *to, const char *text)
{
    return put(to, text, strlen(text));
}

static char *put_string(char *to, const char *text, size_t length)
{
    *to++ = '"';
    while (length > 0) {
        size_t taken;
        char octet;
        unsigned character = character_at(text, length, &octet, &taken);

        to = json_put_character(to, character, octet);
        text += taken;
        length -= taken;
    }
    *to++ = '"';
    return to;
}

/* Keys are words of ours, but those of a counted line lie in memory that workers share. */
static char key_octet(char octet)
{
    bool is_good = (octet >= 'a' && octet <= 'z') || octet_is_digit(octet) || octet == '_';

    return is_good ? octet : '_';
}

static char *put_key(char *to, const struct pair *pair)
{
    *to++ = '"';
    for (size_t i = 0; i < pair->key_length; i++)
        *to++ = key_octet(pair->key[i]);
    return put_text(to, "\":");
}

/* An empty value is written as - in the line, and what was cut off ends with a dot. */
static char *put_value(char *to, const struct pair *pair, bool is_number)
{
    if (is_number && pair->value_length > 0 && octet_is_digit(pair->value[pair->value_length - 1]))
        return put(to, pair->value, pair->value_length);
    if (!pair->is_quoted && pair->value_length == 1 && pair->value[0] == '-')
        return put_text(to, "null");
    return put_string(to, pair->value, pair->value_length);
}

static char *put_head(char *to, const struct log_form *form)
{
    *to++ = '{';
    if (form->time != NULL) {
        to = put_text(to, "\"time\":");
        to = put_string(to, form->time, strlen(form->time));
        *to++ = ',';
    }
    to = put_text(to, "\"severity\":\"");
    to = put_text(to, log_level_word(form->level));
    to = put_text(to, "\",\"pid\":");
    return to + number_put(to, (uint64_t)form->pid);
}

size_t log_form_json(char *to, const struct log_form *form)
{
    const char *at = form->text;
    char *start = to;
    struct pair pair;

    to = put_head(to, form);
    for (unsigned i = 0; next_pair(&at, form->text + form->length, &pair); i++) {
        *to++ = ',';
        to = put_key(to, &pair);
        to = put_value(to, &pair, i < LOG_FORM_PAIRS_MAX && (form->numbers >> i & 1) != 0);
    }
    *to++ = '}';
    return (size_t)(to - start);
}

/* ---- the journal ---- */

static char *put_field(char *to, const char *name, const char *value, size_t length)
{
    to = put_text(to, name);
    *to++ = '=';
    to = put(to, value, length);
    *to++ = '\n';
    return to;
}

static char *put_pair_field(char *to, const struct pair *pair)
{
    to = put_text(to, "POP3_");
    for (size_t i = 0; i < pair->key_length; i++) {
        char octet = key_octet(pair->key[i]);

        *to++ = octet >= 'a' && octet <= 'z' ? (char)(octet - 'a' + 'A') : octet;
    }
    return put_field(to, "", pair->value, pair->value_length);
}

size_t log_form_journal(char *to, const struct log_form *form, unsigned facility,
                        const char *program, const char *message, size_t message_length)
{
    const char *at = form->text;
    char digits[NUMBER_TEXT_MAX];
    char *start = to;
    struct pair pair;

    to = put_field(to, "PRIORITY", digits, number_put(digits, (uint64_t)form->level));
    to = put_field(to, "SYSLOG_FACILITY", digits, number_put(digits, facility));
    to = put_field(to, "SYSLOG_IDENTIFIER", program, strlen(program));
    to = put_field(to, "MESSAGE", message, message_length);
    while (next_pair(&at, form->text + form->length, &pair))
        to = put_pair_field(to, &pair);
    return (size_t)(to - start);
}
