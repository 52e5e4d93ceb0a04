/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command `trace`: prints the dialogue of the sessions of a user or an address as it happens.
 */
#ifndef STATUS_TRACE_COMMAND_H
#define STATUS_TRACE_COMMAND_H

#include "config/options.h"

/* Asks the server at this control socket, and writes lines to standard output or to the file of the
 * options until the server ends the trace. Returns an exit code: 74 when they cannot be written. */
int trace_command_run(const char *path, const struct options *options);

#endif
