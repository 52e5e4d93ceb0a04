/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands for operators, config/operator_command.def: most ask the running server.
 */
#ifndef STATUS_CONTROL_H
#define STATUS_CONTROL_H

#include "config/options.h"

/*
 * Runs the command of the options: asks the server at the control socket that they or their file
 * name, and prints its answer. Nothing else of the file matters. Returns the process's exit code:
 * 69 when no server answers, 77 when this user may not ask it, 78 when there is no usable
 * `control`; each with one line on standard error.
 */
int control_run(const struct options *options);

#endif
