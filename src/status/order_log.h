/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's orders in the log. A trace shows what a user does, and a kick ends it: who gave the
 * order stays on record.
 */
#ifndef STATUS_ORDER_LOG_H
#define STATUS_ORDER_LOG_H

/* Logs the request if it is an order or asks for a trace. `fd` is the connection it came by, from
 * which the kernel tells the caller's user id. A request that only asks is not logged. */
void order_log_write(const char *request, int fd);

#endif
