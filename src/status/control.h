/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other end of the control socket: the commands status, metrics and top.
 */
#ifndef STATUS_CONTROL_H
#define STATUS_CONTROL_H

#include <stddef.h>

#include "base/error.h"
#include "config/options.h"

/*
 * Runs the options' command against the server of their file and prints what it says. Returns the
 * process's exit code: 69 when no server answers, 77 when this user may not ask it, 78 when the
 * file is wrong or has no `control`; each with one line on standard error.
 */
int control_run(const struct options *options);

/*
 * Asks the server behind the control socket. Returns 0 and the answer, ended by a NUL and to be
 * freed by the caller; or -1 with `error` set and `exit_code` (as above).
 */
int control_ask(const char *path, const char *request, char **answer, size_t *length,
                int *exit_code, struct error *error);

/* The live view, until the user leaves. Returns the exit code. */
int top_run(const char *path);

#endif
