/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One question to a running server, over its control socket.
 */
#ifndef STATUS_CONTROL_ASK_H
#define STATUS_CONTROL_ASK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum {
    CONTROL_REQUEST_MAX = 2048,  /* octets of a request line, its end included */
    CONTROL_SILENCE_MS = 10000,  /* no server takes so long before it says something */
};

/*
 * Sends the request to the server that listens at `path` and reads the whole answer. Whatever
 * listens there, this ends within half a minute, takes no more memory than an answer may have, and
 * leaves no character in the answer that a terminal would obey. Returns 0 and
 * the answer, ended by a NUL and freed by the caller; or -1 with `error` set and `exit_code`: 69
 * when no server answers, 77 when this user may not ask it, 78 when the path cannot be one.
 */
int control_ask(const char *path, const char *request, char **answer, size_t *length,
                int *exit_code, struct error *error);

/* Asks a question whose answer comes bit by bit. Returns the descriptor to read it from, or -1 with
 * `error` and the exit code set. */
int control_begin(const char *path, const char *request, int *exit_code, struct error *error);

/* Reads a piece of such an answer as read(2) does, until the deadline (monotonic milliseconds): -1
 * with ETIMEDOUT. */
ssize_t control_read(int fd, void *to, size_t size, int64_t deadline_ms);

/* Says that nothing came in time, and what to do about it. Returns -1. */
int control_set_silent(struct error *error, const char *path);

#endif
