/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's orders, as lines of the control socket, carried out in the status process:
 *
 *   kick NAME          ends the sessions of a user, or one session by its id
 *   hold SECONDS USER  lets the logins of a user wait
 *   release USER       lets them go on
 *   drain SERVER       sends no new users to a server of a group
 *   ready SERVER       puts it back
 *
 * The name is the rest of the line. An answer that begins with "error: " says that nothing was done.
 */
#ifndef STATUS_ORDERS_H
#define STATUS_ORDERS_H

#include <stdio.h>

#include "pool/pool.h"
#include "pool/pool_kick.h"

/* Lets this process hold users. `wake_fd` is the eventfd by which the master is told to end the
 * sessions that were marked; -1: none. */
void orders_open(int wake_fd);

enum order_result {
    ORDER_UNKNOWN, /* it is none of these: nothing was written */
    ORDER_DONE,    /* the answer is written */
    ORDER_PENDING, /* ask orders_is_done() until it is */
};

/* Carries out an order and writes the answer to `out`. A pending one is kept in `kick`. */
enum order_result orders_take(const char *request, const struct pool *pools, FILE *out,
                              struct pool_kick *kick);

/* Whether the sessions of a pending order are over. */
bool orders_are_done(const struct pool_kick *kick);

/* Writes the answer to a pending order, and frees it. */
void orders_finish(struct pool_kick *kick, FILE *out);

#endif
