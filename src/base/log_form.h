/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line of the log in other forms than key=value: as a JSON object, and as the fields of the
 * systemd journal. Both are made from the text of the line, whose values are escaped.
 */
#ifndef BASE_LOG_FORM_H
#define BASE_LOG_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "base/event.h"

enum {
    LOG_FORM_GROWTH = 6, /* a form has at most so many octets for each octet of the line */
    LOG_FORM_EXTRA_BYTES = 256,
    LOG_FORM_PAIRS_MAX = 64, /* pairs of which it is known whether they are numbers */
};

/* What a form is made of. */
struct log_form {
    const char *text; /* key=value pairs */
    size_t length;
    uint64_t numbers; /* bit i: the value of pair i is a number */
    enum log_level level;
    const char *time; /* RFC 3339; NULL: the receiver of the line adds the time */
    int64_t pid;
};

/*
 * Writes a JSON object, without a line end: "time", "severity" and "pid", then the pairs. Only
 * printable ASCII is written. An octet that is escaped in the line becomes a character again: UTF-8
 * is decoded, and what is not UTF-8 keeps its \xHH. Returns the length. `to` must have room for
 * LOG_FORM_GROWTH * length + LOG_FORM_EXTRA_BYTES octets.
 */
size_t log_form_json(char *to, const struct log_form *form);

/*
 * Writes the datagram of the journal's own protocol: PRIORITY, SYSLOG_FACILITY, SYSLOG_IDENTIFIER,
 * MESSAGE with `message`, and each pair as POP3_KEY. Values keep their \xHH, so no field holds a
 * line end. Returns the length. `to` must have the room of above and `message_length` more.
 */
size_t log_form_journal(char *to, const struct log_form *form, unsigned facility,
                        const char *program, const char *message, size_t message_length);

/* How many pairs the text has. */
unsigned log_form_count(const char *text, size_t length);

#endif
