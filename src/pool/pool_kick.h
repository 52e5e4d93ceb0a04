/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions that the operator ends. The status process marks them in their slots and wakes the
 * master, which tells their workers until they are over. See kick_relay.h for sessions of previous
 * programs.
 */
#ifndef POOL_POOL_KICK_H
#define POOL_POOL_KICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;
struct scoreboard_slot;

/* Sessions that were marked at one command. */
struct pool_kick {
    size_t count;
    struct pool_kicked {
        struct scoreboard_slot *slot;
        uint32_t session; /* its number in the slot */
    } *list;
};

/*
 * Marks every session of the list of pools that has this id, or whose login
 * is this name, as the client typed it or as it was sent to the server, in any case of letters.
 * Returns 0 with the marked ones in `kick`, or -1 when there is no memory and none was marked. The
 * caller frees the list with pool_kick_free().
 */
int pool_kick_mark(struct pool_kick *kick, const struct pool *pools, const char *name);

/* How many of them are not over yet. */
size_t pool_kick_left(const struct pool_kick *kick);

void pool_kick_free(struct pool_kick *kick);

/* How many sessions with this id or login are marked and not over yet. */
size_t pool_kick_count(const struct pool *pools, const char *name);

/* For the master: tells the worker of each marked session of the pool. Returns whether there were
 * any: a worker may miss the signal, so call it again soon. */
bool pool_kick_tell(const struct pool *pool);

#endif
