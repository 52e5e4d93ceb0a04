/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last lines of the log with severity warning or worse, of all processes of the server, in
 * memory that they share. A worker that was broken into can write anything there.
 */
#ifndef BASE_LOG_RECENT_H
#define BASE_LOG_RECENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/event.h"

enum { LOG_RECENT_MAX = 50, LOG_RECENT_BYTES = 512 };

struct log_recent {
    int64_t at; /* seconds since 1970; not after the time of the copy */
    enum log_level level;
    char text[LOG_RECENT_BYTES]; /* printable ASCII; longer lines are cut */
};

/* Makes the memory, before any child is forked. Without it no line is kept. */
void log_recent_open(void);

/* Keeps a line. */
void log_recent_add(enum log_level level, const char *text, size_t length);

/* Copies the lines, the oldest first. Returns how many there are. */
size_t log_recent_copy(struct log_recent lines[LOG_RECENT_MAX]);

#endif
