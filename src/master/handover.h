/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From one generation to the next: when it is over. A worker that is told to retire while the
 * kernel wakes it for a connection serves that one first, under the settings it has. So a reload
 * is over only when no old worker can take a connection any more.
 */
#ifndef MASTER_HANDOVER_H
#define MASTER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "pool/pool.h"

/* For how long workers that do not react are waited for. */
enum { HANDOVER_LIMIT_S = 2 };

/* `left`: old workers that may still take one connection each, as they did not react in time. */
typedef void handover_done(size_t left);

/*
 * Calls `done`, once, when no worker of the pools in the list that do not run any more can take a
 * connection, or HANDOVER_LIMIT_S after the first of several calls: a later one, with the same
 * arguments, goes on with what it waits for.
 */
void handover_begin(struct pool *const *pools, handover_done *done);
bool handover_is_pending(void);
/* `done` is not called. */
void handover_cancel(void);

#endif
