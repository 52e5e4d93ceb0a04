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

/* A pending order. */
struct order {
    const char *name; /* in the request, which must last as long */
    struct pool_kick kick;
    int relayed; /* see kick_relay.h */
};

void orders_init(struct order *order);

/* Carries out an order and writes the answer to `out`. A pending one is kept in `order`. */
enum order_result orders_take(const char *request, const struct pool *pools, FILE *out,
                              struct order *order);

/* Whether the sessions of a pending order are over, also those of previous programs. */
bool orders_are_done(const struct order *order);

/* Writes the answer to a pending order, and drops it. */
void orders_finish(struct order *order, FILE *out);

/* Forgets a pending order. */
void orders_drop(struct order *order);

#endif
