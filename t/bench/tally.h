/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the load generator counts: latencies, octets, errors by kind and the first one in words. It
 * is printed as one JSON object.
 */
#ifndef POP3_BENCH_TALLY_H
#define POP3_BENCH_TALLY_H

#include <stdint.h>

enum tally_error {
    ERROR_CONNECT,              /* no connection, or it was reset */
    ERROR_TLS,
    ERROR_REFUSED,              /* -ERR */
    ERROR_WRONG,                /* a wrong reply */
    ERROR_EXTRA,                /* octets after a reply, or when none is expected */
    ERROR_EOF,                  /* closed too early */
    ERROR_STALL,                /* nothing was received for --stall seconds */
    ERROR_UNFINISHED,           /* not finished at the deadline */
    ERROR_UNSTARTED,            /* due, but never started */
    ERROR_KINDS
};

/* Counts an error; keeps the text of the first. */
void tally_error(enum tally_error kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void tally_errors(enum tally_error kind, uint64_t count);
uint64_t tally_error_count(void);

/* Counts a session without errors. */
void tally_session(uint64_t latency_ns);
uint64_t tally_sessions(void);

void tally_octets(uint64_t octets);

/* TLS: the server closed without close_notify. This is not an error, because many do. */
void tally_rude_end(void);

/* Prints everything. `head` comes first: members of the object, each followed by a comma. */
void tally_print(const char *head, uint64_t elapsed_ns);

#endif
