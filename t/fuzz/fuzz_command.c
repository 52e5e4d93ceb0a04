/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the client's commands. The first octet chooses the state, the rest is one line
 * without its end. What command_parse() accepts may be sent to a server, so it is compared with the
 * reference. The line is also read as the first octets of a connection, which may be those of
 * another protocol.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pop3/opening.h"
#include "reference.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

enum { OPENING_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_blanks(const char *from, const char *to)
{
    CHECK(from <= to);
    for (; from < to; from++)
        CHECK(*from == ' ');
}

/* The line is its keyword and its arguments, with nothing but blanks around them. */
static void check_argument(const struct command *command, const char *line, size_t length)
{
    const char *at = line + strlen(command_keyword(command->verb));

    CHECK((command->argument != NULL) == (command->argument_length > 0));
    CHECK((command->second != NULL) == (command->second_length > 0));
    CHECK(command->argument != NULL || command->second == NULL);
    CHECK(command->verb != COMMAND_PASS || command->argument == at + 1);
    if (command->argument != NULL) {
        CHECK(command->argument > at);
        check_blanks(at, command->argument);
        at = command->argument + command->argument_length;
    }
    if (command->second != NULL) {
        CHECK(command->second > at);
        check_blanks(at, command->second);
        at = command->second + command->second_length;
    }
    CHECK(command->verb != COMMAND_PASS || at == line + length);
    check_blanks(at, line + length);
}

static void fuzz_line(const char *line, size_t length, enum command_state state)
{
    struct command command;
    enum command_fault fault = command_parse(&command, line, length, state);
    const struct reference_command *shape = reference_command(line, length, state);

    CHECK((fault == COMMAND_GOOD) == (shape != NULL));
    CHECK(*command_fault_word(fault) != '\0');
    CHECK((fault == COMMAND_GOOD) == (*command_fault_text(fault) == '\0'));
    if (shape == NULL)
        return;
    CHECK(opening_find(line, length) == OPENING_POP3);
    CHECK(command.verb == shape->verb && command.is_multi_line == shape->is_multi_line);
    check_argument(&command, line, length);
}

/* What the first octets show stays so when more arrive. */
static void fuzz_opening(const char *data, size_t length)
{
    enum opening seen = OPENING_POP3;

    for (size_t i = 0; i <= length && i <= OPENING_MAX; i++) {
        enum opening now = opening_find(data, i);

        CHECK(seen == OPENING_POP3 || now == seen);
        seen = now;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    fuzz_line((const char *)data + 1, size - 1,
              data[0] % 2 == 0 ? COMMAND_STATE_AUTH : COMMAND_STATE_TRANS);
    fuzz_opening((const char *)data + 1, size - 1);
    return 0;
}
