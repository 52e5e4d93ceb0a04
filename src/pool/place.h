/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place of a worker for one session: its slot in the scoreboard, the share of its client's
 * address in the pool, and what the pool wants to know while the session runs.
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
    struct session_watch watch;
    volatile sig_atomic_t is_shed;     /* the stop is for this session, to make room */
    volatile sig_atomic_t is_stopping; /* the stop is for good */
};

void place_init(struct place *place, struct pool *pool, struct scoreboard_slot *slot);

/* A session begins; and has ended like this. */
void place_begin(struct place *place);
void place_end(struct place *place, const struct session *session, enum outcome outcome);

/* The master wants room: true when it is this session that has to go, which must then be stopped.
 * Async-signal-safe. */
bool place_shed(struct place *place);

#endif
