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
    int64_t stage_us;                  /* when its stage began; microseconds, monotonic */
    int64_t connect_us;                /* when it began to look for the server; 0: not yet */
    int64_t login_us;                  /* when the password was there */
    int64_t waited_ms;                 /* that the connection waited in the queue; -1: not known */
    volatile sig_atomic_t is_shed;     /* a stop was requested for this session, to make room */
    volatile sig_atomic_t is_kicked;   /* the operator ends this session */
    volatile sig_atomic_t is_stopping; /* a stop was requested for good */
    volatile sig_atomic_t is_changing; /* one session follows another: nobody is told to end */
};

void place_init(struct place *place, struct pool *pool, struct scoreboard_slot *slot);

/* Call these when a session begins at this place, with the accepted connection, and when it has
 * ended. */
void place_begin(struct place *place, int fd);
void place_end(struct place *place, const struct session *session, enum outcome outcome);

/* The master has signalled that sessions must end: to make room, or because the operator ends them.
 * Returns true if this one must and was not told before: the caller then stops it.
 * Async-signal-safe. */
bool place_is_told(struct place *place);

#endif
