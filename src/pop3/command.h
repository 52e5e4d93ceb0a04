/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's commands: from a line to a command of the table, or the reason why it is none.
 * Pure; knows neither buffers nor connections.
 */
#ifndef POP3_COMMAND_H
#define POP3_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum {
    /* A client's line with its end. RFC 2449, section 4 asks for 255. */
    COMMAND_LINE_BYTES = 8 * 1024,
    /* The same where the line carries SASL data (RFC 5034): AUTH, and the answer to a challenge. */
    COMMAND_SASL_LINE_BYTES = 16 * 1024 + 64,
    /* Digits of a message number or line count: what a 32-bit server can hold. */
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
    COMMAND_GOOD,
    COMMAND_UNKNOWN,      /* no such keyword */
    COMMAND_BAD_OCTETS,   /* control octets, or 8-bit ones where none belong */
    COMMAND_BAD_ARGUMENT, /* missing, too many, or no number */
    COMMAND_WRONG_STATE,  /* before login what belongs after it, or the other way round */
    COMMAND_TOO_LONG,     /* set by the line reader */
    COMMAND_BAD_MECHANISM, /* AUTH with one that is not offered */
    COMMAND_NEEDS_TLS,    /* a login where TLS is required and not there yet */
};

struct command {
    enum command_verb verb; /* COMMAND_COUNT when unknown */
    const char *argument;   /* into the line; NULL when there is none */
    size_t argument_length;
    bool is_multi_line; /* a good reply to it ends in a line with a dot */
};

/*
 * Parses one line without its end. The keyword may be in any case. Behind USER and PASS the
 * argument is everything behind the one blank; PASS may hold 8-bit octets, no other command may.
 * Control octets are a fault everywhere. `state` is the one the session is in. The command is
 * filled as far as it was understood even when a fault is returned.
 */
enum command_fault command_parse(struct command *command, const char *line, size_t length,
                                 enum command_state state);

/* How long a line may be that begins with these octets, its end included. */
size_t command_line_bytes(const char *line, size_t length);

/* "USER", and "unknown" for COMMAND_COUNT. */
const char *command_keyword(enum command_verb verb);

/* What to tell the client, without "-ERR " and line end. */
const char *command_fault_text(enum command_fault fault);

/* The word for the log. */
const char *command_fault_word(enum command_fault fault);

#endif
