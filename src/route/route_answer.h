/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer of a routing table to one question: which server has this user's mailbox, and how to
 * log in there. Knows nothing of how tables are asked.
 */
#ifndef ROUTE_ROUTE_ANSWER_H
#define ROUTE_ROUTE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    ROUTE_VALUE_MAX = 8 * 1024 - 1,  /* octets of a value; a longer one is no answer */
    ROUTE_ANSWER_BYTES = 8 * 1024,
};

/* Four results that are never mixed up. */
enum route_result {
    ROUTE_NOT_FOUND, /* the table does not know the key: ask the next one */
    ROUTE_FOUND,     /* the fields say what they say; what they leave out is as for everybody */
    ROUTE_REFUSED,   /* the user may not log in; the field REASON has the text, if there is one */
    ROUTE_FAILED,    /* the table cannot answer: the login fails for now, nobody else is asked */
    ROUTE_RESULT_COUNT
};

enum route_field {
#define ROUTE_FIELD(name, word, check) ROUTE_FIELD_##name,
#include "route/route_field.def"
#undef ROUTE_FIELD
    ROUTE_FIELD_COUNT
};

/* The texts lie in `memory`, one after the other. They may be passwords: end every answer with
 * route_answer_wipe(). */
struct route_answer {
    enum route_result result;
    const char *fields[ROUTE_FIELD_COUNT]; /* NULL: the answer does not say */
    const char *unknown; /* the first field that we do not know, to be logged; NULL: none */
    size_t length;
    char memory[ROUTE_ANSWER_BYTES];
};

/* Begins an empty answer with this result. */
void route_answer_init(struct route_answer *answer, enum route_result result);

/* Keeps a copy of the text as the field's value. Returns false when it does not fit. */
bool route_answer_set(struct route_answer *answer, enum route_field field, const char *text,
                      size_t length);

/* The same for a text that a client may get to see: control octets become question marks, so that
 * it is one line. */
bool route_answer_set_text(struct route_answer *answer, enum route_field field, const char *text,
                           size_t length);

/* Whether the fields say that the server may have any certificate. */
bool route_answer_takes_any_certificate(const char *const fields[ROUTE_FIELD_COUNT]);

/* Overwrites every text. */
void route_answer_wipe(struct route_answer *answer);

/* The word for logs, metrics and the command `route`: "found", "not-found", "refused", "failed". */
const char *route_result_word(enum route_result result);

/* The field's name in a value, "" for a field that has none. */
const char *route_field_word(enum route_field field);

#endif
