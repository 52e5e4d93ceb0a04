/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets of the routing tables check in an answer, whichever table it comes from.
 */
#ifndef FUZZ_ANSWERS_H
#define FUZZ_ANSWERS_H

#include <stddef.h>

#include "route/route_answer.h"
#include "route/route_table.h"

/* The replies of a table to one question. */
struct answers_seen {
    unsigned count;
    struct route_answer answer; /* a copy of the last one */
    char why[256];
};

/* A route_reply: checks the answer and keeps it. The context is a struct answers_seen. */
void answers_note(void *context, struct route_answer *answer, const char *why);

/*
 * Aborts when an answer has what no session may use: a text with a NUL inside, a control octet in a
 * name or password, a port or host that is none, fields that exclude each other, or anything at all
 * beside a failure.
 */
void answers_check(const struct route_answer *answer);

/* Aborts unless both say the same. */
void answers_compare(const struct route_answer *a, const struct route_answer *b);

/* Writes the answer as a value and parses that: it must say the same. */
void answers_write_again(const struct route_answer *answer);

void answers_copy(struct route_answer *to, const struct route_answer *from);

#endif
