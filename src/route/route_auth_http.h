/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The headers of nginx's auth_http protocol: what a question has, and what an answer says. No I/O.
 */
#ifndef ROUTE_ROUTE_AUTH_HTTP_H
#define ROUTE_ROUTE_AUTH_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "route/route_table.h"

enum { ROUTE_HTTP_HEADER_MAX = 2048 }; /* of a header that we send */

/* Escapes a login or password as nginx does: octets that are not graphic, and `%`, become %XX.
 * Returns false when it does not fit. */
bool route_http_escape(const char *text, char *to, size_t size);

/* An answer while its header lines come in. */
struct route_http_answer {
    char status[ROUTE_VALUE_MAX + 1]; /* of Auth-Status */
    struct route_answer fields;
    bool has_status;
    bool has_server;
    bool is_malformed;
};

void route_http_begin(struct route_http_answer *answer);
/* Takes one header line, with or without its end. Others than ours say nothing. */
void route_http_take_header(struct route_http_answer *answer, const char *line, size_t length);
/* All lines were taken, and the response had this HTTP status: replies, and wipes the answer. */
void route_http_finish(struct route_http_answer *answer, long http_status, route_reply *reply,
                       void *context);

#endif
