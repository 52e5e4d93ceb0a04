/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server has done in the last minutes, for the charts of the status page: a point every
 * few seconds, in memory that outlives the status process.
 */
#ifndef STATUS_STATUS_HISTORY_H
#define STATUS_STATUS_HISTORY_H

#include <stdint.h>
#include <stdio.h>

#include "pool/pool.h"
#include "session/outcome.h"

enum { HISTORY_POINTS = 120, HISTORY_STEP_S = 5 };

enum history_field {
    HISTORY_SESSIONS,
    HISTORY_LOGINS,
    HISTORY_FAILURES,
    HISTORY_OCTETS,
    HISTORY_RUNNING,
    HISTORY_QUEUED,
    HISTORY_FIELDS
};

struct status_history {
    uint32_t next; /* only the status process writes */
    uint32_t count;
    uint64_t points[HISTORY_POINTS][HISTORY_FIELDS];
    uint64_t ended[HISTORY_POINTS][OUTCOME_COUNT]; /* by reason */
};

/* Adds the sums over all instances as they are now. */
void status_history_add(struct status_history *history, const struct pool *pools);

/* How much a field has grown each second in the last minute, or since there are points. */
double status_history_rate(const struct status_history *history, enum history_field field);

/* Writes "history":{...}: "step_s", for each field its points, the oldest first, and "ended": how
 * many sessions have ended in all these steps for which reason, without those for which none has. */
void status_history_json(const struct status_history *history, FILE *out);

#endif
