/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place: the seat of one session in a worker. It shows the session in its slot of the scoreboard,
 * counts it for its client's address and in the totals, and says whether it may begin and log in.
 */
#ifndef POOL_PLACE_H
#define POOL_PLACE_H

#include <signal.h>
#include <stdbool.h>

#include "pool/pool.h"
#include "session/session.h"

struct place {
    struct pool *pool;
    struct scoreboard_slot *slot;
    struct session_watch watch;        /* what the session calls; see session.h */
    volatile sig_atomic_t is_shed;     /* a stop was requested for this session, to make room */
    volatile sig_atomic_t is_stopping; /* a stop was requested for good */
};

void place_init(struct place *place, struct pool *pool, struct scoreboard_slot *slot);

/* Call these when a session begins at this place, and when it has ended. */
void place_begin(struct place *place);
void place_end(struct place *place, const struct session *session, enum outcome outcome);

/* The master has signalled that it wants room. Returns true if it is this session that must end:
 * the caller then stops it. Async-signal-safe. */
bool place_shed(struct place *place);

#endif
