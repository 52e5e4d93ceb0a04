/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the master does for TLS while it runs: it makes, rotates and passes on the keys of session
 * tickets, one set for all workers of all pools, and warns of certificates that expire soon.
 */
#ifndef MASTER_TICKETS_H
#define MASTER_TICKETS_H

#include "pool/pool.h"

/* In the next binary: takes over the keys that the previous one has passed on. Call it once, before
 * tickets_prepare(). */
void tickets_inherit(void);

/*
 * Prepares new pools for TLS, before their workers are forked: gives them the keys, and logs which
 * of their certificates expire soon. From the first pool with TLS on, the keys are rotated every
 * TLS_TICKET_ROTATION_S, and the certificates of the running pools in the list `all` are checked
 * again. Without memory or randomness for keys (logged) no tickets are issued.
 */
void tickets_prepare(const struct pool *added, struct pool *const *all);

/* In the process that is about to become the next binary: passes a copy of the keys on to it. */
void tickets_pass(void);

#endif
