/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traces that operators have asked for, in the status process: each is a connection to which
 * the lines of its user or address are written as they come, until its time is over or the operator
 * goes away.
 */
#ifndef STATUS_TRACE_SERVE_H
#define STATUS_TRACE_SERVE_H

#include <ev.h>
#include <stdbool.h>

#define TRACE_OVER_LINE "-- the time of this trace is over" /* the last line of a whole trace */

/* Whether this request line asks for a trace: "trace SECONDS NAME". */
bool trace_serve_is_request(const char *request);

/* Begins one and takes over the connection, which does not block. If it is not possible, says why
 * to the other end and closes it. */
void trace_serve_begin(struct ev_loop *loop, int fd, const char *request);

/* Ends all traces and tells why. */
void trace_serve_end_all(const char *why);

#endif
