/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answers of Dovecot's auth service to a PASS lookup, as lines. No I/O.
 */
#ifndef ROUTE_ROUTE_DOVECOT_H
#define ROUTE_ROUTE_DOVECOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route/route_table.h"

enum route_dovecot_line {
    ROUTE_DOVECOT_ANSWER, /* to this question: `reply` was called */
    ROUTE_DOVECOT_OTHER,  /* part of the greeting, or about another question */
    ROUTE_DOVECOT_BROKEN, /* a protocol that we do not speak */
};

/* Takes one line without its end. */
enum route_dovecot_line route_dovecot_take(const char *line, size_t length, uint32_t id,
                                           route_reply *reply, void *context);

#endif
