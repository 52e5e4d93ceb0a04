/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a session ended: one enum from which the reply, the word in the log and its severity follow.
 */
#ifndef SESSION_OUTCOME_H
#define SESSION_OUTCOME_H

#include "base/log.h"

enum outcome {
    OUTCOME_NONE, /* the session goes on */
#define OUTCOME(name, reason, level, reply) OUTCOME_##name,
#include "session/outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

const char *outcome_reason(enum outcome outcome);
enum log_level outcome_level(enum outcome outcome);
/* The reply without line end, or NULL when nothing is to be said. */
const char *outcome_reply(enum outcome outcome);

#endif
