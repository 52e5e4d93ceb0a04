/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines that come in floods: the first of a kind is written, those that follow are only counted, and
 * once a second one line says how many there were:
 *
 *   event=repeated of=session instance=main reason=connect-failed server=10.0.0.1:110 count=4711
 *
 * When a second has passed without one more, the next is written again.
 *
 * All processes of the server count together, in memory that they share. A worker that an attacker
 * has taken over can keep lines of these kinds from being written, and no others. A process without
 * this memory writes every line.
 */
#ifndef BASE_LOG_REPEAT_H
#define BASE_LOG_REPEAT_H

#include <stdbool.h>

#include "base/log.h"

/* Makes the memory and the timer, before any child is forked. Returns a descriptor that becomes
 * readable when log_repeat_tell() is to be called, which this process must do; -1 if there is no
 * memory or no descriptor: then nothing is ever counted. */
int log_repeat_open(void);

/* The same descriptor, for a child that closes all others; or -1. */
int log_repeat_descriptor(void);

/* Writes how often each kind of line was repeated since the last call. */
void log_repeat_tell(void);

/* Begins the key of a line of this event: what all lines of its kind have in common. Add the pairs
 * by log_add(). The severity of the line that tells the count is key->level. */
void log_repeat_begin(struct log_line *key, enum event event);

/* Whether a line of this kind is to be written. If not, it is counted. */
bool log_repeat_is_first(const struct log_line *key);

/* Like log_message(), for a message that is always the same in a flood. */
void log_repeat_message(enum event event, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
