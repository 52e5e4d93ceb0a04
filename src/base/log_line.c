/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts lines of the log together: key=value pairs, with values that are escaped, so that no value
 * can forge a line or a pair. Each value is as short as log_privacy wants it.
 */
#include <string.h>

#include "base/log.h"
#include "base/log_form.h"
#include "base/log_privacy.h"
#include "base/number.h"
#include "base/octet.h"

static void add_raw(struct log_line *line, const char *text, size_t length)
{
    size_t room = sizeof(line->text) - line->length;

    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static bool is_plain(char octet, bool keep_blank)
{
    return (octet_is_graphic(octet) && octet != '"' && octet != '\\') ||
           (octet == ' ' && keep_blank);
}

/* The number of octets at the beginning that need no escape. */
static size_t plain_length(const char *value, size_t length, bool keep_blank)
{
    size_t plain = 0;

    while (plain < length && is_plain(value[plain], keep_blank))
        plain++;
    return plain;
}

static void add_escaped(struct log_line *line, const char *value, size_t length, bool keep_blank)
{
    static const char hex[] = "0123456789abcdef";
    size_t left = LOG_VALUE_BYTES;

    while (length > 0) {
        unsigned char octet = (unsigned char)value[0];
        char escaped[4] = {'\\', 'x', hex[octet >> 4], hex[octet & 15]};
        size_t plain = plain_length(value, length < left ? length : left, keep_blank);
        size_t written = plain > 0 ? plain : sizeof(escaped);
        size_t taken = plain > 0 ? plain : 1;

        if (written > left) {
            add_raw(line, "...", 3);
            return;
        }
        add_raw(line, plain > 0 ? value : escaped, written);
        left -= written;
        value += taken;
        length -= taken;
    }
}

static void add_key(struct log_line *line, const char *key)
{
    line->pairs++;
    add_raw(line, " ", 1);
    add_raw(line, key, strlen(key));
    add_raw(line, "=", 1);
}

void log_begin(struct log_line *line, enum event event)
{
    const char *word = event_word(event);

    line->length = 0;
    line->pairs = 1;
    line->numbers = 0;
    line->event = event;
    line->level = event_level(event);
    add_raw(line, "event=", 6);
    add_raw(line, word, strlen(word));
}

void log_resume(struct log_line *line, const char *text)
{
    line->length = 0;
    line->numbers = 0;
    add_raw(line, text, strlen(text));
    line->pairs = log_form_count(line->text, line->length);
}

void log_add(struct log_line *line, const char *key, const char *value)
{
    char masked[LOG_PRIVATE_SIZE];
    size_t length;

    value = log_private(key, value, masked);
    length = value == NULL ? 0 : strlen(value);
    add_key(line, key);
    if (length == 0)
        add_raw(line, "-", 1);
    else
        add_escaped(line, value, length, false);
}

void log_add_hash(struct log_line *line, const char *key, uint64_t hash)
{
    char text[LOG_PRIVATE_SIZE];

    add_key(line, key);
    if (hash != 0)
        log_private_hash_text(hash, text);
    add_raw(line, hash == 0 ? "-" : text, hash == 0 ? 1 : strlen(text));
}

void log_add_number(struct log_line *line, const char *key, int64_t value)
{
    char digits[NUMBER_TEXT_MAX];
    size_t length = number_put(digits, value < 0 ? -(uint64_t)value : (uint64_t)value);

    if (line->pairs < LOG_FORM_PAIRS_MAX)
        line->numbers |= UINT64_C(1) << line->pairs;
    add_key(line, key);
    if (value < 0)
        add_raw(line, "-", 1);
    add_raw(line, digits, length);
}

void log_add_duration(struct log_line *line, const char *key, int64_t duration_ms)
{
    unsigned ms = (unsigned)(duration_ms % 1000);
    char fraction[4] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                        (char)('0' + ms % 10)};

    log_add_number(line, key, duration_ms / 1000);
    add_raw(line, fraction, sizeof(fraction));
}

void log_add_text(struct log_line *line, const char *key, const char *text)
{
    add_key(line, key);
    add_raw(line, "\"", 1);
    add_escaped(line, text, strlen(text), true);
    add_raw(line, "\"", 1);
}

void log_add_words(struct log_line *line, const char *key, const char *words, const char *user,
                   const char *client)
{
    char text[LOG_WORDS_SIZE];

    log_add_text(line, key, log_private_words(words, user, client, text));
}
