/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resolves names without blocking, with c-ares on the helper's event loop, and keeps each answer in
 * a cache for its TTL.
 */
#ifndef HELPER_RESOLVER_H
#define HELPER_RESOLVER_H

#include <ev.h>

#include "helper/helper.h"

/* Sets up the resolver library. Returns 0, or -1 after logging that it failed. */
int resolver_init(struct ev_loop *loop);
void resolver_end(void);

/* How many lookups are under way. */
unsigned resolver_running(void);

/* Looks up `host`, sends the addresses as MESSAGE_ADDRESSES to `answer_fd` and closes it. `session`
 * is the id of the session that asks, for the log. */
void resolver_ask(const char *session, const char *host, int answer_fd);

/* The same for a part of the helper: calls `answer` once, possibly before it returns. The addresses
 * are valid during the call; NULL: out of memory. */
typedef void resolver_answer(void *context, const struct helper_addresses *addresses);
void resolver_call(const char *session, const char *host, resolver_answer *answer, void *context);

#endif
