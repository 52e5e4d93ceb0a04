/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names to addresses, without ever blocking: c-ares on the helper's event loop, with a cache that
 * keeps answers for their TTL.
 */
#ifndef HELPER_RESOLVER_H
#define HELPER_RESOLVER_H

#include <ev.h>

/* Begins; returns 0, or -1 when the resolver library cannot be set up (logged). */
int resolver_init(struct ev_loop *loop);
void resolver_end(void);

/* Lookups under way. */
unsigned resolver_running(void);

/* Looks `host` up and sends the answer as MESSAGE_ADDRESSES to `answer_fd`, which it takes
 * over. `session` is the id of the one that asks, for the log. */
void resolver_ask(const char *session, const char *host, int answer_fd);

#endif
