/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One question to a running server, over its control socket.
 */
#ifndef STATUS_CONTROL_ASK_H
#define STATUS_CONTROL_ASK_H

#include <stddef.h>

#include "base/error.h"

enum { CONTROL_REQUEST_MAX = 2048 }; /* octets of a request line, its end included */

/*
 * Sends the request to the server that listens at `path` and reads the whole answer. Returns 0 and
 * the answer, ended by a NUL and freed by the caller; or -1 with `error` set and `exit_code`: 69
 * when no server answers, 77 when this user may not ask it, 78 when the path cannot be one.
 */
int control_ask(const char *path, const char *request, char **answer, size_t *length,
                int *exit_code, struct error *error);

/* Asks a question whose answer comes bit by bit. Returns the descriptor to read it from, or -1 with
 * `error` and the exit code set. */
int control_begin(const char *path, const char *request, int *exit_code, struct error *error);

#endif
