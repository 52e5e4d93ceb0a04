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
    const char *explanation;
} rows[EVENT_COUNT] = {
#define EVENT(name, word, level, other, explanation)                                               \
    {word, LOG_LEVEL_##level, LOG_LEVEL_##other, explanation},
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

const char *event_explanation(enum event event)
{
    return rows[event].explanation;
}

const char *log_level_word(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ALERT:
        return "alert";
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARNING:
        return "warning";
    case LOG_LEVEL_NOTICE:
        return "notice";
    case LOG_LEVEL_INFO:
        break;
    }
    return "info";
}

bool event_may_have(enum event event, enum log_level level)
{
    const struct event_row *row = &rows[event];

    return level == row->level || (int)level == row->other || row->other == LOG_LEVEL_ANY;
}
