/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line an event, `event=WORD key=value key=value`.
 *
 * Values come from the network. Nothing but 0x20 to 0x7e leaves this module, blanks and quotes in a
 * value are escaped, and a line has a limit of length: nobody can forge or split a line.
 *
 * In a file and on standard error, the time with its milliseconds and zone (RFC 3339), the severity,
 * the program and its process come first.
 *
 * Writing a line never blocks and never fails for the caller. A line that cannot be written (no
 * syslog daemon, a full pipe, a full disk) is lost and counted. Before the next line that can be
 * written, one line says how many were lost. For a syslog daemon whose queue is full the writer
 * waits 10 ms, at most once a second. syslog(3) is not used because it blocks.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"

enum {
    LOG_LINE_BYTES = 2048, /* a line: all values of a session at their longest fit */
    LOG_VALUE_BYTES = 320, /* a value after escaping */
};

/* How a line is written: as key=value pairs, or as one JSON object. */
enum log_format { LOG_FORMAT_KEYVALUE, LOG_FORMAT_JSON };

/* A line while it is put together, on the caller's stack. Set `level` after log_begin() where the
 * event's first severity is not the right one. */
struct log_line {
    char text[LOG_LINE_BYTES];
    size_t length;
    unsigned pairs;
    uint64_t numbers; /* bit i: the value of pair i is a number */
    enum event event;
    enum log_level level;
};

/* Sets how the lines of this process and of the children that it forks are written. */
void log_set_format(enum log_format format);

/*
 * Opens the log: "syslog", "stderr", or the absolute path of a file. Returns 0, or -1 with `error`
 * set where a file cannot be opened. A missing syslog daemon is not an error: lines are lost and
 * counted until it comes. The socket is /dev/log, or what POP3_PROXY_SYSLOG in the environment
 * names. Where the systemd journal listens there, or has our standard error, it gets each line by
 * its own protocol, with the pairs as fields; POP3_PROXY_JOURNAL names another socket of it. Call
 * this again to write elsewhere.
 */
int log_open(const char *target, struct error *error);

/* Opens the same target again, after a file was rotated. On failure the old one stays open. */
int log_reopen(struct error *error);

/* Before each line, this process restores the flags that all processes share: it does not sleep because
 * another one has changed them. For the master; in a sandbox flags cannot be set. */
void log_guard(void);

/* Whether the lines are for the syslog daemon. */
bool log_is_syslog(void);

/* Whether anything takes lines now. A missing syslog daemon does not. */
bool log_is_heard(void);

/* For a log whose syslog daemon is missing: lines go to standard error until the daemon listens.
 * Returns false where there is no standard error, or it is /dev/null. */
bool log_use_stderr(void);

/* Checks whether a syslog daemon listens. Returns 0, or -1 with `error` set. */
int log_find_daemon(struct error *error);

/* Also counts lost lines in `counter` (NULL: nowhere), in memory that processes share. */
void log_count_lost_in(_Atomic uint64_t *counter);

/* The descriptor in use, or -1, for a caller that closes all others. */
int log_descriptor(void);

/* From now on log_begin(), log_add(), log_add_number(), log_add_text() and log_end() may be called in a
 * handler of a signal after which this process ends: they neither allocate nor wait for a lock. For
 * such a handler. */
void log_in_handler(void);

/* Begins a line, with the severity that the event's row in event.def gives. */
void log_begin(struct log_line *line, enum event event);

/* Continues a line with the text of another one, whose values all count as texts. */
void log_resume(struct log_line *line, const char *text);

/* Adds key=value. `value` may hold any octets; NULL is written as "-", as is an empty value. */
void log_add(struct log_line *line, const char *key, const char *value);
void log_add_number(struct log_line *line, const char *key, int64_t value);
/* `duration_ms` is not negative. It is written as seconds with three decimals. */
void log_add_duration(struct log_line *line, const char *key, int64_t duration_ms);
/* Adds key="text": blanks stay as they are; quotes and all that is not printable are escaped. */
void log_add_text(struct log_line *line, const char *key, const char *text);

/* Adds key=HASH for a name of which only the hash is known; 0 is written as "-". */
void log_add_hash(struct log_line *line, const char *key, uint64_t hash);

/* Adds key="text" with words from elsewhere, about this user and the client's address: log_privacy may want
 * neither in the log. */
void log_add_words(struct log_line *line, const char *key, const char *words, const char *user,
                   const char *client);

/* Writes the line. Keeps errno. */
void log_end(struct log_line *line);

/* Writes a line with nothing but a text. */
void log_message(enum event event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with another severity that the event may have. */
void log_message_at(enum log_level level, enum event event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
