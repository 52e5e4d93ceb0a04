/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The value language of the routing tables: one parser for all of them.
 *
 *   value  = [ target ] { field } [ "reject" [ text to the end of the value ] ]
 *   target = [ login "@" ] host [ ":" port ]  |  "group:" name
 *   field  = name [ "=" ( word | '"' text '"' ) ]
 *
 * Blanks separate the parts. Inside double quotes a backslash stands before a quote or a backslash.
 */
#ifndef ROUTE_ROUTE_VALUE_H
#define ROUTE_ROUTE_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "route/route_answer.h"

/*
 * Parses a value into `answer`: ROUTE_FOUND, or ROUTE_REFUSED for `reject` and `nologin`. A field
 * that we do not know is left out and named in answer->unknown. Returns 0, or -1 with `error` set
 * and ROUTE_FAILED when the value is malformed: it is never half an answer.
 */
int route_value_parse(struct route_answer *answer, const char *value, size_t length,
                      struct error *error);

/*
 * Takes one field of an answer that has its own separators (Dovecot's TABs, an HTTP header), and
 * checks its value. Call it after route_answer_init(answer, ROUTE_FOUND), once a field, and
 * route_value_finish() after the last one. The results are those of route_value_parse().
 */
int route_value_take_field(struct route_answer *answer, const char *name, size_t name_length,
                           const char *value, size_t length, struct error *error);

/* Checks what the fields say together: `ssl` and `starttls`, `master` and `pass`, `nologin`. */
int route_value_finish(struct route_answer *answer, struct error *error);

/* Takes `[login@]host[:port]`. The login ends at the last `@`. */
int route_value_take_target(struct route_answer *answer, const char *text, size_t length,
                            struct error *error);

/* Is the word read as a server, `[login@]host[:port]`, where a value begins with it? Not if it is
 * read as a field, as `reject` or as a group. */
bool route_value_is_target(const char *word, size_t length);

/* Is there a field of this name? One that we know and ignore counts. */
bool route_value_is_field(const char *name, size_t length);

#endif
