/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rows of event.def.
 */
#include "base/event.h"

/* Columns of the table that are not a severity. */
enum { LOG_LEVEL_NONE = -1, LOG_LEVEL_ANY = -2 };

static const struct event_row {
    const char *word;
    enum log_level level;
    int other;
} rows[EVENT_COUNT] = {
#define EVENT(name, word, level, other, explanation) {word, LOG_LEVEL_##level, LOG_LEVEL_##other},
#include "base/event.def"
#undef EVENT
};

const char *event_word(enum event event)
{
    return rows[event].word;
}

enum log_level event_level(enum event event)
{
    return rows[event].level;
}

bool event_may_have(enum event event, enum log_level level)
{
    const struct event_row *row = &rows[event];

    return level == row->level || (int)level == row->other || row->other == LOG_LEVEL_ANY;
}
