/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resolves names without blocking, on the helper's event loop, and keeps each answer in a cache for
 * its TTL.
 *
 * IPv4 and IPv6 are asked for separately, and neither waits long for the other: an answer goes out
 * 50 ms after the first family has an address (RFC 8305, section 3). It is marked as partial then.
 * Addresses whose TTL has passed serve for another hour where no new answer comes within a second
 * (RFC 8767).
 */
#ifndef HELPER_RESOLVER_H
#define HELPER_RESOLVER_H

#include <ev.h>
#include <stdbool.h>

#include "helper/helper.h"
#include "helper/job.h"

/* Sets up the resolver library. Returns 0, or -1 after logging that it failed. */
int resolver_init(struct ev_loop *loop);
void resolver_end(void);

/* Answers the question for `host` with MESSAGE_ADDRESSES, where the cache has them. Needs no memory.
 * Returns whether it has. */
bool resolver_answer_known(const char *host, enum helper_extent extent, struct channel *channel);

/* Lets a job wait for the lookup of `host`, if it is under way. Returns whether it is. */
bool resolver_join(struct job *job, const char *host, enum helper_extent extent);

/* Runs a job of the kind JOB_LOOKUP, whose next fields are the name and the extent: answers it, or
 * begins the lookup. */
void resolver_start(struct job *job);

/* Looks up `host` for a part of the helper, outside the limits of jobs: calls `answer` once,
 * possibly before it returns. The addresses are valid during the call; NULL: out of memory. */
typedef void resolver_answered(void *context, const struct helper_addresses *addresses);
void resolver_call(const char *session, const char *host, resolver_answered *answer, void *context);

#endif
