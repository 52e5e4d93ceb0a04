/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answers of a socketmap server as octets. No I/O.
 */
#ifndef ROUTE_ROUTE_SOCKETMAP_H
#define ROUTE_ROUTE_SOCKETMAP_H

#include <stddef.h>
#include <sys/types.h>

#include "route/route_table.h"

/* Reads one netstring, "LENGTH:text,", from the start of the data. Returns the octets taken and sets
 * *text_r and *length_r; 0 when it is not complete; -1 when it is none, or longer than an answer
 * may be. */
ssize_t route_netstring_read(const char *data, size_t length, const char **text_r,
                             size_t *length_r);

/* Replies with what the text of an answer says. */
void route_socketmap_answer(const char *text, size_t length, route_reply *reply, void *context);

#endif
