/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a reload is over. A worker that is told to retire while the kernel gives it a connection
 * serves that connection first, under the settings it has. So a reload is over only when no old
 * worker can take a connection any more.
 */
#ifndef MASTER_HANDOVER_H
#define MASTER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "pool/pool.h"

/* How long to wait for workers that do not react. */
enum { HANDOVER_LIMIT_S = 2 };

/* `left`: old workers that did not react in time and may still take one connection each. */
typedef void handover_done(size_t left);

/*
 * Waits until no worker of the pools in the list that do not run any more can take a connection, at
 * most HANDOVER_LIMIT_S, and then calls `done` once. While it waits, another call with the same
 * arguments joins the first: the limit is not extended.
 */
void handover_begin(struct pool *const *pools, handover_done *done);
bool handover_is_pending(void);
/* Stops waiting; `done` is not called. */
void handover_cancel(void);

#endif
