/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fuzz targets compare the parsers with these functions: the same rules, written a second time,
 * slow and simple. They share only the names of enums and limits with the parsers.
 */
#ifndef FUZZ_REFERENCE_H
#define FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "pop3/command.h"
#include "pop3/reply.h"

/* A good command, as a shape of text. */
struct reference_command {
    const char *text;
    enum command_verb verb;
    enum command_state state;
    bool is_multi_line;
};

/* The shape of the line (without its end) in this state; NULL when it is to be refused. */
const struct reference_command *reference_command(const char *line, size_t length,
                                                  enum command_state state);

/* A reply is one of the two indicators, anything but LF, then CRLF, within 512 octets; it is
 * REPLY_INVALID as soon as no continuation can make it one. */
enum reply_status reference_status(const char *data, size_t length, size_t *length_r);

/* The -ERR line has a response code: "-ERR [" some octets but "]", "]". */
bool reference_has_code(const char *line, size_t length);

/* The first CRLF "." CRLF of the text that begins with the status line's CRLF. Returns how many
 * octets of `data`, the text after that CRLF, belong to the reply; 0 when it does not end. */
size_t reference_end(const char *data, size_t size);

#endif
