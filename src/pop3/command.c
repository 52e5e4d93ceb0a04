/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses command lines by the table. What passes here may be sent to a server, so the checks are
 * strict: no control octet, no argument where none belongs, digits where a number belongs.
 */
#include "pop3/command.h"

#include <string.h>
#include <strings.h>

#include "base/octet.h"

enum argument_kind {
    ARGUMENT_NONE,
    ARGUMENT_OPTIONAL_TEXT,
    ARGUMENT_TEXT,
    ARGUMENT_NUMBER,
    ARGUMENT_OPTIONAL_NUMBER,
    ARGUMENT_TWO_NUMBERS,
};

enum reply_kind { REPLY_ONE, REPLY_MULTI, REPLY_LISTING };

struct command_row {
    const char *keyword;
    enum command_state states;
    enum argument_kind argument;
    enum reply_kind reply;
};

static const struct command_row rows[COMMAND_COUNT] = {
#define COMMAND(keyword, states, argument, reply)                                                  \
    {#keyword, COMMAND_STATE_##states, ARGUMENT_##argument, REPLY_##reply},
#include "pop3/command.def"
#undef COMMAND
};

static enum command_verb find_verb(const char *line, size_t length)
{
    for (int verb = 0; verb < COMMAND_COUNT; verb++)
        if (strlen(rows[verb].keyword) == length &&
            strncasecmp(rows[verb].keyword, line, length) == 0)
            return (enum command_verb)verb;
    return COMMAND_COUNT;
}

/* Login names and passwords may hold 8-bit octets: UTF-8, or an old character set. */
static bool may_be_8bit(enum command_verb verb)
{
    return verb == COMMAND_USER || verb == COMMAND_PASS;
}

static bool has_bad_octets(const char *line, size_t length, bool allow_8bit)
{
    for (size_t i = 0; i < length; i++)
        if (octet_is_control(line[i]) || (!allow_8bit && !octet_is_printable(line[i])))
            return true;
    return false;
}

/* The length of the number at the start of the text; 0 if there is none or it is too long. */
static size_t number_length(const char *text, size_t length)
{
    size_t digits = 0;

    while (digits < length && octet_is_digit(text[digits]))
        digits++;
    return digits <= COMMAND_NUMBER_DIGITS ? digits : 0;
}

/* A message number is digits, and not 0: messages are numbered from 1 (RFC 1939, section 3). */
static bool is_message_number(const char *text, size_t length)
{
    bool is_zero = true;

    if (length == 0 || number_length(text, length) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        is_zero = is_zero && text[i] == '0';
    return !is_zero;
}

static bool is_two_numbers(const char *text, size_t length)
{
    const char *blank = memchr(text, ' ', length);

    if (blank == NULL)
        return false;

    size_t first = (size_t)(blank - text);
    size_t second = length - first - 1;
    return is_message_number(text, first) && second > 0 &&
           number_length(blank + 1, second) == second;
}

static bool is_argument_good(const struct command *command)
{
    const char *text = command->argument;
    size_t length = command->argument_length;

    switch (rows[command->verb].argument) {
    case ARGUMENT_NONE:
        return text == NULL;
    case ARGUMENT_OPTIONAL_TEXT:
        return true;
    case ARGUMENT_TEXT:
        return length > 0;
    case ARGUMENT_NUMBER:
        return text != NULL && is_message_number(text, length);
    case ARGUMENT_OPTIONAL_NUMBER:
        return text == NULL || is_message_number(text, length);
    case ARGUMENT_TWO_NUMBERS:
        return text != NULL && is_two_numbers(text, length);
    }
    return false;
}

enum command_fault command_parse(struct command *command, const char *line, size_t length,
                                 enum command_state state)
{
    const char *blank = memchr(line, ' ', length);
    size_t width = blank == NULL ? length : (size_t)(blank - line);

    *command = (struct command){.verb = find_verb(line, width)};
    if (has_bad_octets(line, length, may_be_8bit(command->verb)))
        return COMMAND_BAD_OCTETS;
    if (command->verb == COMMAND_COUNT)
        return COMMAND_UNKNOWN;

    const struct command_row *row = &rows[command->verb];
    if (row->argument != ARGUMENT_TEXT && row->argument != ARGUMENT_OPTIONAL_TEXT)
        while (length > width && line[length - 1] == ' ')
            length--; /* some mail programs send "STAT " */
    if (length > width) {
        command->argument = line + width + 1;
        command->argument_length = length - width - 1;
    }
    if (row->argument == ARGUMENT_OPTIONAL_TEXT && command->argument_length == 0)
        command->argument = NULL; /* "AUTH " means the same as "AUTH" */
    command->is_multi_line =
        row->reply == REPLY_MULTI || (row->reply == REPLY_LISTING && command->argument == NULL);
    if (((unsigned)row->states & (unsigned)state) == 0)
        return COMMAND_WRONG_STATE;
    return is_argument_good(command) ? COMMAND_GOOD : COMMAND_BAD_ARGUMENT;
}

size_t command_line_bytes(const char *line, size_t length)
{
    static const char auth[] = "AUTH ";
    size_t width = sizeof(auth) - 1;

    return length >= width && strncasecmp(line, auth, width) == 0 ? COMMAND_SASL_LINE_BYTES
                                                                  : COMMAND_LINE_BYTES;
}

const char *command_keyword(enum command_verb verb)
{
    return verb < COMMAND_COUNT ? rows[verb].keyword : "unknown";
}

static const struct {
    const char *word;
    const char *text;
} faults[] = {
    [COMMAND_GOOD] = {"good", ""},
#define COMMAND_FAULT(name, word, text) [COMMAND_##name] = {word, text},
#include "pop3/command_fault.def"
#undef COMMAND_FAULT
};

const char *command_fault_text(enum command_fault fault)
{
    return faults[fault].text;
}

const char *command_fault_word(enum command_fault fault)
{
    return faults[fault].word;
}
