/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the load generator counts: latencies, errors by kind with the first one in words, octets.
 * Printed as one JSON object.
 */
#ifndef POP3_BENCH_TALLY_H
#define POP3_BENCH_TALLY_H

#include <stdint.h>

enum tally_error {
    ERROR_CONNECT,              /* no connection, or it was reset */
    ERROR_TLS,
    ERROR_REFUSED,              /* -ERR */
    ERROR_WRONG,                /* a reply that is not the right one */
    ERROR_EXTRA,                /* octets behind a reply, or where none is owed */
    ERROR_EOF,                  /* closed too early */
    ERROR_STALL,                /* nothing came for --stall seconds */
    ERROR_UNFINISHED,           /* under way at the deadline */
    ERROR_UNSTARTED,            /* due, but never started */
    ERROR_KINDS
};

/* Counts an error; the first is kept in words. */
void tally_error(enum tally_error kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void tally_errors(enum tally_error kind, uint64_t count);
uint64_t tally_error_count(void);

/* Counts a session that went well. */
void tally_session(uint64_t latency_ns);
uint64_t tally_sessions(void);

void tally_octets(uint64_t octets);

/* TLS: the server closed without close_notify. Not an error: many do. */
void tally_rude_end(void);

/* Prints all of it; `head` is put first: members of the object, each with a comma behind. */
void tally_print(const char *head, uint64_t elapsed_ns);

#endif
