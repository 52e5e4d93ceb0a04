/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each client address has used: places it holds in the pool before it has logged in, and
 * failed logins, in a table shared by all workers of an instance. IPv6 addresses count by /64.
 *
 * The table never fills up for good: an address without places whose failures are forgiven gives
 * its entry to the next one. An address that finds no entry is not limited.
 */
#ifndef POOL_ACCOUNT_H
#define POOL_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct account_table;

struct account_table *account_table_new(void); /* shared with children; NULL: no memory */
void account_table_free(struct account_table *table);

/* Takes a place for the address unless it holds `limit` already (0: no limit). Returns whether it
 * was given; a key of 0 (no IP address) always gets one. */
bool account_take_place(struct account_table *table, uint64_t key, int limit, int64_t now_ms);
void account_give_place_back(struct account_table *table, uint64_t key);
int account_places(struct account_table *table, uint64_t key);

/* Counts a failed login. One is forgiven every ACCOUNT_FORGIVE_MS. */
enum { ACCOUNT_FORGIVE_MS = 2000 };
void account_count_failure(struct account_table *table, uint64_t key, int64_t now_ms);

/*
 * The address may try another login: fewer than `limit` failures are unforgiven. Once half of them
 * are, its other attempts under way count as well, so that trying many at once gains nothing: those
 * are the places it holds, but for `own_places` of the caller itself (0 or 1). limit 0: always.
 */
bool account_may_try(struct account_table *table, uint64_t key, int limit, int own_places,
                     int64_t now_ms);

#endif
