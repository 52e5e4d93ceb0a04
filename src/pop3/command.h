/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's commands: parses a line into a command of the table, or says why it is refused.
 * Pure: knows no buffer and no connection.
 */
#ifndef POP3_COMMAND_H
#define POP3_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum {
    /* A client's line with its end. RFC 2449, section 4 asks for 255; passwords may be longer. */
    COMMAND_LINE_BYTES = 8 * 1024,
    /* The same for USER: a server need not take a longer line. */
    COMMAND_USER_LINE_BYTES = 255,
    /* The same where the line carries SASL data (RFC 5034): AUTH, and the answer to a challenge. */
    COMMAND_SASL_LINE_BYTES = 16 * 1024 + 64,
    /* Digits of a message number: a server with 32-bit numbers can hold as many. */
    COMMAND_NUMBER_DIGITS = 10,
};

enum command_verb {
#define COMMAND(keyword, states, argument, reply) COMMAND_##keyword,
#include "pop3/command.def"
#undef COMMAND
    COMMAND_COUNT
};

enum command_state { COMMAND_STATE_AUTH = 1, COMMAND_STATE_TRANS = 2, COMMAND_STATE_BOTH = 3 };

/* Why a line is refused. */
enum command_fault {
    COMMAND_GOOD, /* it is not */
#define COMMAND_FAULT(name, word, text) COMMAND_##name,
#include "pop3/command_fault.def"
#undef COMMAND_FAULT
};

struct command {
    enum command_verb verb; /* COMMAND_COUNT when unknown */
    const char *name;       /* for the log: the keyword, that of foreign_command.def, or "unknown" */
    const char *argument;   /* into the line; NULL when there is none */
    size_t argument_length;
    const char *second; /* TOP: the count of lines; AUTH: the initial response; or NULL */
    size_t second_length;
    bool is_multi_line; /* a +OK reply is followed by lines up to one with a single dot */
};

/*
 * Parses one line without its end. The keyword may be in any case. Arguments are separated by one
 * or more blanks, and blanks at the end mean nothing; but the argument of PASS is everything after
 * one blank. The arguments of USER and PASS may hold 8-bit octets; no other command may. Control
 * octets are a fault everywhere. `state` is the state of the session. If a fault is returned, the
 * command is filled in as far as it was understood.
 */
enum command_fault command_parse(struct command *command, const char *line, size_t length,
                                 enum command_state state);

/* The longest line, with its end, that may begin with these octets. */
size_t command_line_bytes(const char *line, size_t length);

/* The keyword in upper case, or "unknown" for COMMAND_COUNT. */
const char *command_keyword(enum command_verb verb);

/* The reply to the client, without "-ERR " and line end. */
const char *command_fault_text(enum command_fault fault);

/* The word for the log. */
const char *command_fault_word(enum command_fault fault);

#endif
