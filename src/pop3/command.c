/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses command lines by the table. What passes here may be sent to a server, so the checks are
 * strict: no control octet, no argument where none belongs, digits where a number belongs. Only
 * blanks are forgiven: mail programs send "STAT ", "RETR  1" and "AUTH PLAIN ".
 */
#include "pop3/command.h"

#include <string.h>
#include <strings.h>

#include "base/octet.h"

enum argument_kind {
    ARGUMENT_NONE,
    ARGUMENT_OPTIONAL_WORDS,
    ARGUMENT_TEXT,
    ARGUMENT_REST,
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

/* What an unknown command is called in the log. Only words of the table: the line may be a password
 * that was typed as a command. */
static const char *foreign_name(const char *line, size_t length)
{
    static const char *const names[] = {
#define FOREIGN_COMMAND(keyword) #keyword,
#include "pop3/foreign_command.def"
#undef FOREIGN_COMMAND
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], line, length) == 0)
            return names[i];
    return command_keyword(COMMAND_COUNT);
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

/* ---- the argument ---- */

/* The first word of the argument, and what follows the blanks after it. */
static void split(struct command *command)
{
    const char *end = command->argument + command->argument_length;
    const char *blank = memchr(command->argument, ' ', command->argument_length);

    if (blank == NULL)
        return;
    command->argument_length = (size_t)(blank - command->argument);
    while (*blank == ' ')
        blank++;
    command->second = blank;
    command->second_length = (size_t)(end - blank);
}

/* Takes what follows the keyword, and drops blanks at its start and its end. */
static void take_argument(struct command *command, const char *text, size_t length)
{
    enum argument_kind kind = rows[command->verb].argument;

    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    while (length > 0 && text[length - 1] == ' ')
        length--;
    if (length == 0)
        return;
    command->argument = text;
    command->argument_length = length;
    if (kind == ARGUMENT_TWO_NUMBERS || kind == ARGUMENT_OPTIONAL_WORDS)
        split(command);
}

static bool is_number(const char *text, size_t length)
{
    size_t digits = 0;

    while (digits < length && octet_is_digit(text[digits]))
        digits++;
    return length > 0 && digits == length;
}

/* A message number is not 0: messages are numbered from 1 (RFC 1939, section 3). */
static bool is_message_number(const char *text, size_t length)
{
    bool is_zero = true;

    if (!is_number(text, length) || length > COMMAND_NUMBER_DIGITS)
        return false;
    for (size_t i = 0; i < length; i++)
        is_zero = is_zero && text[i] == '0';
    return !is_zero;
}

static bool is_argument_good(const struct command *command)
{
    const char *text = command->argument;
    size_t length = command->argument_length;

    switch (rows[command->verb].argument) {
    case ARGUMENT_NONE:
        return text == NULL;
    case ARGUMENT_OPTIONAL_WORDS:
        return true;
    case ARGUMENT_TEXT:
    case ARGUMENT_REST:
        return length > 0;
    case ARGUMENT_NUMBER:
        return text != NULL && is_message_number(text, length);
    case ARGUMENT_OPTIONAL_NUMBER:
        return text == NULL || is_message_number(text, length);
    case ARGUMENT_TWO_NUMBERS:
        return text != NULL && is_message_number(text, length) && command->second != NULL &&
               is_number(command->second, command->second_length);
    }
    return false;
}

/* ---- the line ---- */

enum command_fault command_parse(struct command *command, const char *line, size_t length,
                                 enum command_state state)
{
    const char *blank = memchr(line, ' ', length);
    size_t width = blank == NULL ? length : (size_t)(blank - line);

    *command = (struct command){.verb = find_verb(line, width)};
    command->name = command->verb < COMMAND_COUNT ? command_keyword(command->verb)
                                                  : foreign_name(line, width);
    if (has_bad_octets(line, length, may_be_8bit(command->verb)))
        return COMMAND_BAD_OCTETS;
    if (command->verb == COMMAND_COUNT)
        return COMMAND_UNKNOWN;
    if (command->verb == COMMAND_USER && length + 2 > COMMAND_USER_LINE_BYTES)
        return COMMAND_TOO_LONG;

    const struct command_row *row = &rows[command->verb];
    if (blank != NULL && row->argument == ARGUMENT_REST) {
        command->argument = blank + 1;
        command->argument_length = length - width - 1;
    } else {
        take_argument(command, line + width, length - width);
    }
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
