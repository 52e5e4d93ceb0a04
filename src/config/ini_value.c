/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values that iniparser 4 cuts or joins without a word: it ends an unquoted one at the first #
 * or ;, whatever stands before it, and a quoted one at the next quote, whatever stands after it.
 */
#include "config/ini_value.h"

#include <stdio.h>
#include <string.h>

#include "base/octet.h"

enum { VALUE_SHOWN = 80 };

bool ini_is_comment(const char *text)
{
    return *text == '#' || *text == ';';
}

static bool has_flaw(char flaw[INI_FLAW_SIZE], const char *text)
{
    snprintf(flaw, INI_FLAW_SIZE, "%s", text);
    return false;
}

/* Later versions of iniparser take a backslash as an escape, earlier ones do not. */
static bool is_sound_quoted(const char *value, char flaw[INI_FLAW_SIZE])
{
    const char *end = strchr(value + 1, value[0]);
    const char *rest;

    if (end == NULL)
        return has_flaw(flaw, "the closing quote is missing");
    rest = end + 1 + strspn(end + 1, " \t");
    if (*rest != '\0' && !ini_is_comment(rest))
        return has_flaw(flaw, "only a comment may follow the closing quote");
    if (memchr(value, '\\', (size_t)(end - value)) != NULL)
        return has_flaw(flaw, "a backslash is not allowed between quotes");
    return true;
}

/* A quote that can stand around the value, or 0. */
static char quote_for(const char *value)
{
    if (strchr(value, '"') == NULL)
        return '"';
    return strchr(value, '\'') == NULL ? '\'' : '\0';
}

static bool refuse_cut(const char *value, char sign, char flaw[INI_FLAW_SIZE])
{
    char quote = quote_for(value);

    if (quote == '\0')
        snprintf(flaw, INI_FLAW_SIZE,
                 "the %c would begin a comment; put a blank before it if it is meant to", sign);
    else
        snprintf(flaw, INI_FLAW_SIZE,
                 "the %c would begin a comment: quote the value, %c%.*s%c, or put a blank before "
                 "the %c",
                 sign, quote, VALUE_SHOWN, value, quote, sign);
    return false;
}

static bool has_open_quote(const char *value, size_t length)
{
    bool is_open = false;

    for (size_t i = 0; i < length; i++)
        if (value[i] == '"')
            is_open = !is_open;
    return is_open;
}

/* A # or ; after a blank begins a comment. Within a word it is a mistake. */
static bool is_sound_plain(const char *value, char flaw[INI_FLAW_SIZE])
{
    size_t length = strcspn(value, ";#");
    char sign = value[length];

    if (value[0] == '\0')
        return has_flaw(flaw, "the value is missing; remove the line to get the default");
    if (length == 0)
        return has_flaw(flaw, "the value is missing: the rest is a comment; quote it if it is the "
                              "value");
    if (sign != '\0' && !octet_is_blank(value[length - 1]))
        return refuse_cut(value, sign, flaw);
    if (has_open_quote(value, length))
        return has_flaw(flaw, sign == '\0' ? "a closing quote is missing"
                                           : "the comment begins inside quotes; quote the whole "
                                             "value");
    return true;
}

bool ini_value_is_sound(const char *value, char flaw[INI_FLAW_SIZE])
{
    bool is_quoted = value[0] == '"' || value[0] == '\'';

    return is_quoted ? is_sound_quoted(value, flaw) : is_sound_plain(value, flaw);
}
