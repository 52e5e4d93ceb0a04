/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of outcomes. Knows words only.
 */
#include "session/outcome.h"

#include <stddef.h>

static const struct {
    const char *reason;
    enum log_level level;
    const char *reply;
} rows[OUTCOME_COUNT] = {
    [OUTCOME_NONE] = {"none", LOG_LEVEL_ERROR, NULL},
#define OUTCOME(name, reason, level, reply) [OUTCOME_##name] = {reason, LOG_LEVEL_##level, reply},
#include "session/outcome.def"
#undef OUTCOME
};

const char *outcome_reason(enum outcome outcome)
{
    return rows[outcome].reason;
}

enum log_level outcome_level(enum outcome outcome)
{
    return rows[outcome].level;
}

const char *outcome_reply(enum outcome outcome)
{
    return rows[outcome].reply;
}
