/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of outcomes, and the way from a result of I/O to an outcome.
 */
#include "session/outcome.h"

#include <stddef.h>

/* The properties, as the rows name them. */
enum {
    NONE = 0,
    LIMIT = 1,
    FAILED_LOGIN = 2,
    AFTER_QUIT = 4,
    DISTRUSTS_SERVER = 8,
    KEEPS_WORDS = 16,
    OUR_FAILURE = 32,
    FAILED_PASSWORD = 64,
    FLOOD_OF_CLIENT = 128,
    FLOOD_OF_SERVER = 256,
    FAILURE = 512,
};

static const struct {
    const char *reason;
    enum log_level level;
    unsigned properties;
    const char *reply;
    const char *explanation;
} rows[OUTCOME_COUNT] = {
    [OUTCOME_NONE] = {"none", LOG_LEVEL_ERROR, NONE, NULL, ""},
#define OUTCOME(name, reason, level, properties, reply, explanation)                               \
    [OUTCOME_##name] = {reason, LOG_LEVEL_##level, properties, reply, explanation},
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

const char *outcome_explanation(enum outcome outcome)
{
    return rows[outcome].explanation;
}

static bool has(enum outcome outcome, unsigned property)
{
    return (rows[outcome].properties & property) != 0;
}

bool outcome_is_limit(enum outcome outcome)
{
    return has(outcome, LIMIT);
}

bool outcome_is_failed_login(enum outcome outcome)
{
    return has(outcome, FAILED_LOGIN);
}

bool outcome_is_failed_password(enum outcome outcome)
{
    return has(outcome, FAILED_PASSWORD);
}

bool outcome_is_after_quit(enum outcome outcome)
{
    return has(outcome, AFTER_QUIT);
}

bool outcome_distrusts_server(enum outcome outcome)
{
    return has(outcome, DISTRUSTS_SERVER);
}

bool outcome_keeps_words(enum outcome outcome)
{
    return has(outcome, KEEPS_WORDS);
}

bool outcome_is_flood_of_client(enum outcome outcome)
{
    return has(outcome, FLOOD_OF_CLIENT);
}

bool outcome_is_flood_of_server(enum outcome outcome)
{
    return has(outcome, FLOOD_OF_SERVER);
}

bool outcome_is_failure(enum outcome outcome)
{
    return has(outcome, FAILURE);
}

bool outcome_is_our_failure(enum outcome outcome)
{
    return has(outcome, OUR_FAILURE);
}

/* ---- from I/O to outcomes ---- */

struct peer_outcomes {
    enum outcome closed;
    enum outcome lost;
};

static enum outcome peer_outcome(enum io_status status, enum outcome at_deadline,
                                 struct peer_outcomes peer)
{
    switch (status) {
    case IO_OK:
    case IO_AGAIN:
        return OUTCOME_NONE;
    case IO_EOF:
        return peer.closed;
    case IO_DEADLINE:
        return at_deadline;
    case IO_STOPPED:
        return OUTCOME_STOPPED;
    case IO_FAILED:
        break;
    }
    return peer.lost;
}

enum outcome client_outcome(enum io_status status, enum outcome at_deadline)
{
    return peer_outcome(status, at_deadline,
                        (struct peer_outcomes){OUTCOME_CLIENT_CLOSED, OUTCOME_CLIENT_LOST});
}

enum outcome server_outcome(enum io_status status, enum outcome at_deadline)
{
    return peer_outcome(status, at_deadline,
                        (struct peer_outcomes){OUTCOME_SERVER_CLOSED, OUTCOME_SERVER_LOST});
}
