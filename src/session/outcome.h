/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a session ended. One row of outcome.def gives the reply to the client, the word and level of
 * the log, and what the end means to the rest of the program.
 */
#ifndef SESSION_OUTCOME_H
#define SESSION_OUTCOME_H

#include <stdbool.h>

#include "base/log.h"
#include "io/wait.h"

enum outcome {
    OUTCOME_NONE, /* the session goes on */
#define OUTCOME(name, reason, level, properties, reply, explanation) OUTCOME_##name,
#include "session/outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

/* The word after reason= in the log. */
const char *outcome_reason(enum outcome outcome);
enum log_level outcome_level(enum outcome outcome);
/* The reply without line end, or NULL when nothing is to be said. */
const char *outcome_reply(enum outcome outcome);
/* The cause and the mend, for operators. */
const char *outcome_explanation(enum outcome outcome);

/* The properties, explained in outcome.def. */
bool outcome_is_limit(enum outcome outcome);
bool outcome_is_failed_login(enum outcome outcome);
bool outcome_is_failed_password(enum outcome outcome);
bool outcome_is_after_quit(enum outcome outcome);
bool outcome_distrusts_server(enum outcome outcome);
bool outcome_keeps_words(enum outcome outcome);
bool outcome_is_flood_of_client(enum outcome outcome);
bool outcome_is_flood_of_server(enum outcome outcome);
bool outcome_is_failure(enum outcome outcome);
bool outcome_is_our_failure(enum outcome outcome);

/*
 * What the result of I/O with a peer means for the session: OUTCOME_NONE for IO_OK and IO_AGAIN,
 * `at_deadline` for IO_DEADLINE, and the outcome of that peer for a failure or an end.
 */
enum outcome client_outcome(enum io_status status, enum outcome at_deadline);
enum outcome server_outcome(enum io_status status, enum outcome at_deadline);

#endif
