/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which server of a group each user came to last, for a while: many servers allow one session of a
 * mailbox at a time, so a user is not sent to another one as long as the first may still have it.
 *
 * The table is in memory that all workers share. It has a fixed size: where it is full, the user who
 * has been away for longest is forgotten. A worker may die at any instruction, so nothing is locked,
 * and a broken one may write anything: the worst it can do is to forget a user, or to send him to
 * another server of his group.
 */
#ifndef ROUTE_ROUTE_STAY_H
#define ROUTE_ROUTE_STAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROUTE_STAY_ENTRIES = 1 << 20 }; /* a power of two */

/*
 * `owner`: 48 bits of the user's key, and 16 that count his sessions. 0: free.
 * `where`: 16 bits, the number of the server, and 48 bits of monotonic time in ms, until when he stays
 * there once his sessions have ended.
 */
struct route_stay_entry {
    _Atomic uint64_t owner;
    _Atomic uint64_t where;
};

struct route_stay {
    struct route_stay_entry entries[ROUTE_STAY_ENTRIES];
};

/* Where a user is. */
struct route_stay_place {
    uint32_t server;  /* its number; 0: nowhere */
    bool is_running;  /* a session of his runs there */
};

/* `key`: a hash of the user in his group. A table that is NULL knows nobody. */
struct route_stay_place route_stay_find(const struct route_stay *stay, uint64_t key,
                                        int64_t now_ms);

/* A session of the user begins at the server with this number, 1 to 65535; he stays there `stay_ms`
 * longer. *before_r is for route_stay_undo(). Returns false, and counts nothing, where the table has
 * no room for him: then neither end it nor undo it. */
bool route_stay_begin(struct route_stay *stay, uint64_t key, uint32_t server, int64_t stay_ms,
                      int64_t now_ms, uint64_t *before_r);

/* It has ended. */
void route_stay_end(struct route_stay *stay, uint64_t key, uint32_t server, int64_t stay_ms,
                    int64_t now_ms);

/* It has ended without a login: the user is where he was before. */
void route_stay_undo(struct route_stay *stay, uint64_t key, uint32_t server, uint64_t before);

#endif
