/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing, copying and freeing one value, by type.
 */
#include "config/conf_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A value that is no pointer owns nothing. */
static void free_nothing(void *field)
{
    (void)field;
}

/* ---- flag: bool ---- */

static int parse_flag(const struct conf_value_rule *rule, const char *text, void *field,
                      struct error *error)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};

    (void)rule;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        bool is_yes = strcasecmp(text, yes[i]) == 0;

        if (is_yes || strcasecmp(text, no[i]) == 0) {
            *(bool *)field = is_yes;
            return 0;
        }
    }
    return error_set(error, "must be yes or no");
}

static int copy_flag(void *field, const void *from)
{
    *(bool *)field = *(const bool *)from;
    return 0;
}

const struct conf_value_type conf_value_flag = {parse_flag, copy_flag, free_nothing};

/* ---- number: int64_t ---- */

/* Takes plain decimal digits only: "10x", "0x10" and "010" are mistakes, not numbers. */
static int parse_number(const struct conf_value_rule *rule, const char *text, void *field,
                        struct error *error)
{
    size_t digits = strspn(text, "0123456789");
    bool is_plain = digits > 0 && text[digits] == '\0' && (text[0] != '0' || digits == 1);
    int64_t parsed;

    errno = 0;
    parsed = is_plain ? strtoll(text, NULL, 10) : 0;
    if (!is_plain || errno != 0 || parsed < rule->min || parsed > rule->max)
        return error_set(error, "must be a whole number from %" PRId64 " to %" PRId64 " (%s)",
                         rule->min, rule->max, rule->unit);
    *(int64_t *)field = parsed;
    return 0;
}

static int copy_number(void *field, const void *from)
{
    *(int64_t *)field = *(const int64_t *)from;
    return 0;
}

const struct conf_value_type conf_value_number = {parse_number, copy_number, free_nothing};

/* ---- choice: int, the index of the word ---- */

static int parse_choice(const struct conf_value_rule *rule, const char *text, void *field,
                        struct error *error)
{
    const char *words = rule->words;
    size_t length = strlen(text);

    for (int i = 0;; i++) {
        size_t width = strcspn(words, "|");

        if (width == length && strncasecmp(words, text, length) == 0) {
            *(int *)field = i;
            return 0;
        }
        if (words[width] == '\0')
            return error_set(error, "must be one of %s", rule->words);
        words += width + 1;
    }
}

static int copy_choice(void *field, const void *from)
{
    *(int *)field = *(const int *)from;
    return 0;
}

const struct conf_value_type conf_value_choice = {parse_choice, copy_choice, free_nothing};

/* ---- text: char *, owned; NULL when it is not set ---- */

static int set_text(char **field, const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);

    if (text != NULL && copy == NULL)
        return -1;
    free(*field);
    *field = copy;
    return 0;
}

static int parse_text(const struct conf_value_rule *rule, const char *text, void *field,
                      struct error *error)
{
    if (rule->check(text, error) == -1)
        return -1;
    return set_text(field, text) == -1 ? error_set(error, "out of memory") : 0;
}

static int copy_text(void *field, const void *from)
{
    return set_text(field, *(char *const *)from);
}

static void free_text(void *field)
{
    free(*(char **)field);
    *(char **)field = NULL;
}

const struct conf_value_type conf_value_text = {parse_text, copy_text, free_text};
