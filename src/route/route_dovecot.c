/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the lines of Dovecot's auth service: words separated by TABs, in which octet 1 escapes
 * TAB, line end, carriage return, NUL and itself.
 */
#include "route/route_dovecot.h"

#include <string.h>

#include "base/octet.h"

#include "route/route_value.h"

enum { ESCAPE = 1, ID_DIGITS_MAX = 10 };

/* The words of a line, one after the other. */
struct words {
    const char *at;
    const char *end;
    bool is_over;
};

static bool next_word(struct words *words, const char **word, size_t *length)
{
    const char *tab;

    if (words->is_over)
        return false;
    *word = words->at;
    tab = memchr(words->at, '\t', (size_t)(words->end - words->at));
    words->is_over = tab == NULL;
    *length = (size_t)((tab == NULL ? words->end : tab) - words->at);
    words->at = tab == NULL ? words->end : tab + 1;
    return true;
}

static bool is_word(const char *word, size_t length, const char *expected)
{
    return strlen(expected) == length && memcmp(word, expected, length) == 0;
}

/* Takes the escapes off. `plain` has room for as many octets. Returns the length, or -1. */
static ssize_t unescape(const char *text, size_t length, char *plain)
{
    static const char codes[] = "01tnr";
    static const char octets[] = {0, ESCAPE, '\t', '\n', '\r'};
    size_t made = 0;

    for (size_t i = 0; i < length; i++) {
        const char *code;

        if (text[i] != ESCAPE) {
            plain[made++] = text[i];
            continue;
        }
        if (++i == length || text[i] == '\0' || (code = strchr(codes, text[i])) == NULL)
            return -1;
        plain[made++] = octets[code - codes];
    }
    return (ssize_t)made;
}

static int take_field(struct route_answer *answer, const char *word, size_t length,
                      struct error *error)
{
    char plain[ROUTE_VALUE_MAX];
    const char *equals = memchr(word, '=', length);
    size_t name = equals == NULL ? length : (size_t)(equals - word);
    const char *value = equals == NULL ? word + length : equals + 1;
    size_t left = length - (size_t)(value - word);
    ssize_t got = left > sizeof(plain) ? -1 : unescape(value, left, plain);
    int result;

    if (got == -1)
        return error_set(error, "malformed field");
    result = route_value_take_field(answer, word, name, plain, (size_t)got, error);
    explicit_bzero(plain, (size_t)got);
    return result;
}

static void reply_fields(struct words *words, route_reply *reply, void *context)
{
    struct route_answer answer;
    struct error error = {.text = ""};
    const char *word;
    size_t length;
    int result = 0;

    route_answer_init(&answer, ROUTE_FOUND);
    while (result == 0 && next_word(words, &word, &length))
        if (length > 0)
            result = take_field(&answer, word, length, &error);
    if (result == 0)
        result = route_value_finish(&answer, &error);
    if (result == -1) {
        route_answer_wipe(&answer);
        answer.result = ROUTE_FAILED;
    }
    reply(context, &answer, error.text);
    route_answer_wipe(&answer);
}

static bool is_id(const char *word, size_t length, uint32_t id)
{
    uint64_t value = 0;

    if (length == 0 || length > ID_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!octet_is_digit(word[i]))
            return false;
        value = value * 10 + (uint64_t)(word[i] - '0');
    }
    return value == id;
}

/* Another major version is another protocol. */
static enum route_dovecot_line take_version(struct words *words)
{
    const char *word;
    size_t length;

    return next_word(words, &word, &length) && is_word(word, length, "1") ? ROUTE_DOVECOT_OTHER
                                                                          : ROUTE_DOVECOT_BROKEN;
}

enum route_dovecot_line route_dovecot_take(const char *line, size_t length, uint32_t id,
                                           route_reply *reply, void *context)
{
    struct words words = {.at = line, .end = line + length};
    const char *verb;
    const char *word;
    size_t verb_length;
    size_t word_length;

    if (!next_word(&words, &verb, &verb_length))
        return ROUTE_DOVECOT_OTHER;
    if (is_word(verb, verb_length, "VERSION"))
        return take_version(&words);
    if (!next_word(&words, &word, &word_length) || !is_id(word, word_length, id))
        return ROUTE_DOVECOT_OTHER;
    if (is_word(verb, verb_length, "PASS"))
        reply_fields(&words, reply, context);
    else if (is_word(verb, verb_length, "NOTFOUND"))
        route_reply_not_found(reply, context);
    else if (is_word(verb, verb_length, "FAIL"))
        route_reply_failed(reply, context, "Dovecot's authentication service reports a failure");
    else
        return ROUTE_DOVECOT_OTHER;
    return ROUTE_DOVECOT_ANSWER;
}
