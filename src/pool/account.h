/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each client address uses: the places it holds in the pool before it has logged in, its login
 * attempts under way, and its failed logins. All workers of an instance share the table. IPv6
 * addresses count by /64.
 *
 * An attempt counts against the limit of failed logins from its begin: however many passwords come
 * at once, no more are tried than may fail. One that succeeds does not count any more; one that
 * fails is forgiven after a while. So an address never owes more than the limit.
 *
 * The table never fills up for good: an address without places whose failures are forgiven gives
 * its entry to the next one. An address that finds no entry is not limited, unless it is failed
 * logins that fill the table.
 *
 * Any worker can write all of the table. Nothing read from it is an index, and a number that cannot
 * be is taken for the largest that can.
 */
#ifndef POOL_ACCOUNT_H
#define POOL_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct account_table;

enum { ACCOUNT_FORGIVE_MS = 2000 }; /* the time in which one failed login is forgiven */

enum account_answer {
    ACCOUNT_GRANTED,   /* and counted */
    ACCOUNT_UNCOUNTED, /* granted, but not counted: no IP address, no limit, or no entry left */
    ACCOUNT_REFUSED,   /* the address has reached its limit */
    ACCOUNT_WAIT,      /* it has if its attempts under way fail: ask again in a moment */
    ACCOUNT_CROWDED,   /* refused: failed logins of other addresses leave no entry */
};

struct account_table *account_table_new(void); /* shared with children; NULL: no memory */
void account_table_free(struct account_table *table);

/* Takes a place for the address unless it holds `limit` already (0: no limit, but counted). A key of
 * 0, no IP address, is never counted. GRANTED, UNCOUNTED, REFUSED or CROWDED; only after GRANTED is
 * the place to be given back. */
enum account_answer account_take_place(struct account_table *table, uint64_t key, int limit,
                                       int64_t now_ms);
void account_give_place_back(struct account_table *table, uint64_t key);
int account_places(struct account_table *table, uint64_t key);

/* The address has `limit` failed logins that are not forgiven yet (0: no limit). */
bool account_is_locked(struct account_table *table, uint64_t key, int limit, int64_t now_ms);

/*
 * Begins a login attempt of an address that holds a place, unless `limit` attempts have failed or
 * are under way (0: no limit, and uncounted). GRANTED, UNCOUNTED, REFUSED or WAIT; only after
 * GRANTED is the attempt to be ended, before the place is given back.
 */
enum account_answer account_begin_attempt(struct account_table *table, uint64_t key, int limit,
                                          int64_t now_ms);
void account_end_attempt(struct account_table *table, uint64_t key, bool has_failed,
                         int64_t now_ms);

#endif
