/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line an event, `event=WORD key=value key=value`.
 *
 * Values come from the network, so nothing but 0x20..0x7e leaves this module, blanks and quotes
 * inside a value are escaped, and a line has a fixed size: no line can be forged or split.
 *
 * Writing never blocks and never fails the caller. A line that cannot be written (no syslog
 * daemon, a full pipe, a full disk) is lost and counted; the next line that gets through is
 * preceded by one that says how many were lost. A syslog daemon that is merely behind is given
 * 10 ms, at most once a second. syslog(3) is not used: it blocks.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"

enum {
    LOG_LINE_BYTES = 2048, /* a whole line: every value of a session at its longest */
    LOG_VALUE_BYTES = 320, /* one value after escaping */
};

/* A line while it is put together, on the caller's stack. Set `level` after log_begin() where the
 * event's first severity is not the right one. */
struct log_line {
    char text[LOG_LINE_BYTES];
    size_t length;
    enum event event;
    enum log_level level;
};

/*
 * Opens the log: "syslog", "stderr", or the absolute path of a file. Returns 0, or -1 with
 * `error` set (a file that cannot be opened). An absent syslog daemon is no error: lines are lost
 * and counted until it is there. The socket's path is /dev/log, or the environment's
 * POP3_PROXY_SYSLOG. May be called again to switch or reopen.
 */
int log_open(const char *target, struct error *error);

/* Opens the same target once more (USR1, a rotated file). A failure keeps the old one open. */
int log_reopen(struct error *error);

/* Where lost lines are counted, besides the count this process reports itself; NULL for
 * nowhere. */
void log_count_lost_in(_Atomic uint64_t *counter);

/* The descriptor in use, or -1: for those who close all others. */
int log_descriptor(void);

/* Begins a line, with the severity that the event's row in event.def gives. */
void log_begin(struct log_line *line, enum event event);

/* Adds key=value. `value` may hold any octets; NULL is written as "-", as is an empty value. */
void log_add(struct log_line *line, const char *key, const char *value);
void log_add_octets(struct log_line *line, const char *key, const char *value, size_t length);
void log_add_number(struct log_line *line, const char *key, int64_t value);
/* Milliseconds, not negative; written as seconds with three decimals. */
void log_add_duration(struct log_line *line, const char *key, int64_t duration_ms);
/* Adds key="text": blanks stay readable, quotes and everything unprintable are escaped. */
void log_add_text(struct log_line *line, const char *key, const char *text);

/* Writes the line. Keeps errno. */
void log_end(struct log_line *line);

/* Writes a line with nothing but a text. */
void log_message(enum event event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with another severity that the event may have. */
void log_message_at(enum log_level level, enum event event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
