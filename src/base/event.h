/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The events that the log tells, from the table in event.def.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdbool.h>

/* Severities, with the numbers of syslog (RFC 5424 6.2.1). */
enum log_level {
    LOG_LEVEL_ALERT = 1,
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
};

enum event {
#define EVENT(name, word, level, other, explanation) EVENT_##name,
#include "base/event.def"
#undef EVENT
    EVENT_COUNT,
};

/* The word that follows event= in a line. */
const char *event_word(enum event event);

/* The severity that its lines have unless their writer says otherwise. */
enum log_level event_level(enum event event);

/* What has happened, and what to do about it, for operators. */
const char *event_explanation(enum event event);

/* The word for a severity: "warning". */
const char *log_level_word(enum log_level level);

/* The table allows its lines this severity. */
bool event_may_have(enum event event, enum log_level level);

#endif
