/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared memory of all instances of one name: their totals, what each client address has used,
 * and what is known of servers. It outlives reloads: it is freed when the last pool that uses it is gone.
 */
#ifndef POOL_INSTANCE_MEMORY_H
#define POOL_INSTANCE_MEMORY_H

#include "pool/account.h"
#include "pool/scoreboard.h"
#include "route/route_counts.h"
#include "session/known_servers.h"

/* Tables that one instance may have had, over all reloads. */
enum { INSTANCE_TABLES_MAX = 64 };

struct instance_memory {
    struct instance_memory *next;
    unsigned users; /* pools */
    char *name;
    struct scoreboard_totals *totals; /* shared with the workers */
    char *tables[INSTANCE_TABLES_MAX];     /* names of routing tables; NULL: no more */
    struct route_counts *table_counts;     /* of each, shared with the helper */
    struct account_table *accounts;   /* shared with the workers: before the login, and failed ones */
    struct account_table *sessions;   /* the same: sessions that have logged in; see quota.h */
    struct known_servers *servers;    /* shared with the workers */
};

/* The memory for this name, which is made on first use and kept until each caller has released it.
 * NULL: no memory. */
struct instance_memory *instance_memory_acquire(const char *name);
void instance_memory_release(struct instance_memory *memory);

/* What is counted of the routing table of this name. NULL: there is no memory, or the instance has
 * had too many tables. */
struct route_counts *instance_memory_table(struct instance_memory *memory, const char *name,
                                           size_t length);

#endif
