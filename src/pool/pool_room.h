/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Overload: which sessions are ended when the pool is full.
 */
#ifndef POOL_POOL_ROOM_H
#define POOL_POOL_ROOM_H

#include <stddef.h>

struct pool;

/* At the cap, the whole queue shall have its turn within so many polls of POOL_POLL_MS. */
enum { POOL_ROOM_POLLS = 100 };

/* Asks as many sessions to end as the queue needs to have its turn in time. Of the sessions that
 * have not logged in, those of the address that holds most places go first, the oldest of them
 * before the others. Returns how many were asked. */
unsigned pool_make_room(struct pool *pool, size_t queue);

#endif
