/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules, written a second time. Commands are a list of shapes in which a word stands for itself
 * and a sign for a kind of argument; replies are read one octet at a time.
 */
#include "reference.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* ---- commands ---- */

/* '#' a message number, '0' a count of lines, '*' anything but nothing; a blank stands for one or
 * more, '_' for just one, '~' for any number of them. */
static const struct reference_command shapes[] = {
    {"USER *", COMMAND_USER, COMMAND_STATE_AUTH, false},
    {"PASS_*", COMMAND_PASS, COMMAND_STATE_AUTH, false},
    {"STAT~", COMMAND_STAT, COMMAND_STATE_TRANS, false},
    {"LIST~", COMMAND_LIST, COMMAND_STATE_TRANS, true},
    {"LIST #~", COMMAND_LIST, COMMAND_STATE_TRANS, false},
    {"RETR #~", COMMAND_RETR, COMMAND_STATE_TRANS, true},
    {"UIDL~", COMMAND_UIDL, COMMAND_STATE_TRANS, true},
    {"UIDL #~", COMMAND_UIDL, COMMAND_STATE_TRANS, false},
    {"DELE #~", COMMAND_DELE, COMMAND_STATE_TRANS, false},
    {"TOP # 0~", COMMAND_TOP, COMMAND_STATE_TRANS, true},
    {"LAST~", COMMAND_LAST, COMMAND_STATE_TRANS, false},
    {"NOOP~", COMMAND_NOOP, COMMAND_STATE_TRANS, false},
    {"RSET~", COMMAND_RSET, COMMAND_STATE_TRANS, false},
    {"AUTH~", COMMAND_AUTH, COMMAND_STATE_AUTH, false},
    {"AUTH *", COMMAND_AUTH, COMMAND_STATE_AUTH, false},
    {"STLS~", COMMAND_STLS, COMMAND_STATE_AUTH, false},
    {"CAPA~", COMMAND_CAPA, COMMAND_STATE_AUTH, true},
    {"CAPA~", COMMAND_CAPA, COMMAND_STATE_TRANS, true},
    {"QUIT~", COMMAND_QUIT, COMMAND_STATE_AUTH, false},
    {"QUIT~", COMMAND_QUIT, COMMAND_STATE_TRANS, false},
};

/* Removes a number from the line. */
static bool take_number(const char **line, size_t *length, bool is_count)
{
    size_t digits = 0;
    bool is_zero = true;

    for (; *length > 0 && isdigit((unsigned char)**line); ++*line, --*length, digits++)
        is_zero = is_zero && **line == '0';
    return digits >= 1 && (is_count || (digits <= 10 && !is_zero));
}

/* Removes blanks from the line, and returns how many there were. */
static size_t take_blanks(const char **line, size_t *length, size_t most)
{
    size_t blanks = 0;

    for (; *length > 0 && **line == ' ' && blanks < most; ++*line, --*length)
        blanks++;
    return blanks;
}

static bool has_shape(const char *shape, const char *line, size_t length)
{
    for (; *shape != '\0'; shape++) {
        bool fits = true;

        if (*shape == '*')
            return length > 0;
        if (*shape == '~')
            take_blanks(&line, &length, length);
        else if (*shape == ' ' || *shape == '_')
            fits = take_blanks(&line, &length, *shape == '_' ? 1 : length) > 0;
        else if (*shape == '#' || *shape == '0')
            fits = take_number(&line, &length, *shape == '0');
        else if ((fits = length > 0 && toupper((unsigned char)*line) == *shape))
            line++, length--;
        if (!fits)
            return false;
    }
    return length == 0;
}

static bool has_bad_octet(const char *line, size_t length, bool may_be_8bit)
{
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)line[i]) || (!may_be_8bit && (uint8_t)line[i] > 0x7f))
            return true;
    return false;
}

const struct reference_command *reference_command(const char *line, size_t length,
                                                  enum command_state state)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (shapes[i].state == state && length <= (shapes[i].verb == COMMAND_USER ? 253 : SIZE_MAX) &&
            has_shape(shapes[i].text, line, length) &&
            !has_bad_octet(line, length,
                           shapes[i].verb == COMMAND_USER || shapes[i].verb == COMMAND_PASS))
            return &shapes[i];
    return NULL;
}

/* ---- replies ---- */

enum reply_status reference_status(const char *data, size_t length, size_t *length_r)
{
    const char *indicator = length > 0 && data[0] == '-' ? "-ERR" : "+OK";

    *length_r = 0;
    for (size_t i = 0; i < length; i++) {
        if (i >= REPLY_LINE_BYTES || (i < strlen(indicator) && data[i] != indicator[i]))
            return REPLY_INVALID;
        if (data[i] != '\n')
            continue;
        if (data[i - 1] != '\r')
            return REPLY_INVALID;
        *length_r = i + 1;
        return indicator[0] == '+' ? REPLY_OK : REPLY_ERR;
    }
    return length < REPLY_LINE_BYTES ? REPLY_INCOMPLETE : REPLY_INVALID;
}

bool reference_has_code(const char *line, size_t length)
{
    size_t at = 6;

    if (length < at || memcmp(line, "-ERR [", at) != 0)
        return false;
    while (at < length && line[at] != ']')
        at++;
    return at > 6 && at < length;
}

size_t reference_end(const char *data, size_t size)
{
    static const char mark[] = "\r\n.\r\n";

    for (size_t i = 0; i < size; i++) {
        size_t k = 0;
        while (k < 5 && i + k >= 4 && mark[4 - k] == data[i - k])
            k++;
        if (k == 5 || (i == 2 && memcmp(data, mark + 2, 3) == 0))
            return i + 1;
    }
    return 0;
}
