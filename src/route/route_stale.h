/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last answers of tables, which stand in while a table fails. Only answers that named a server
 * are kept: a table that fails must never turn into "not found", which leads to the default server.
 */
#ifndef ROUTE_ROUTE_STALE_H
#define ROUTE_ROUTE_STALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route/route_answer.h"

enum { ROUTE_STALE_MAX = 65536 }; /* answers kept; a new one takes the place of an old one */

struct route_stale;

struct route_stale *route_stale_new(void); /* NULL: no memory */
void route_stale_free(struct route_stale *stale);

/* Keeps a copy of the answer of table number `table` for the key, at the time `now_ms`. Without
 * memory nothing is kept. */
void route_stale_keep(struct route_stale *stale, size_t table, const char *key,
                      const struct route_answer *answer, int64_t now_ms);
/* The table has answered that it does not know the key. */
void route_stale_forget(struct route_stale *stale, size_t table, const char *key);

/* Copies the answer that was kept at most `age_ms` ago. Returns false when there is none. */
bool route_stale_find(const struct route_stale *stale, size_t table, const char *key,
                      int64_t now_ms, int64_t age_ms, struct route_answer *answer);

#endif
