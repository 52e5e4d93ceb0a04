/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limits for sessions that have logged in: how many an address (IPv6: a /64) and a user may
 * have. All workers of an instance count in one table of accounts. A user is the login name, in any
 * case of letters, at one server.
 *
 * A session counts from the moment when the server has let the user in, so nobody can use up the
 * sessions of a user whose password he does not know. What a session counts for stands in its slot,
 * so that the master can take it off if the worker dies.
 */
#ifndef POOL_QUOTA_H
#define POOL_QUOTA_H

#include <stdbool.h>

#include "pool/instance_memory.h"
#include "session/session.h"

struct pool;

/* exempt_networks has the client's address: the limits of sessions by address are not for it. */
bool quota_is_exempt(const struct pool *pool, const struct session *session);

/* The client's address has as many sessions as it may have. */
bool quota_is_address_full(const struct pool *pool, const struct session *session);

/* Counts the session, whose user the server has let in. OUTCOME_NONE, or why it must end. */
enum outcome quota_take(const struct pool *pool, struct scoreboard_slot *slot,
                        const struct session *session);

/* Takes off what the session in this slot counts for, if anything. */
void quota_give_back(const struct instance_memory *memory, struct scoreboard_slot *slot);

#endif
