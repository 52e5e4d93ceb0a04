/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command `route`: to which server a login leads, and why.
 */
#ifndef STATUS_ROUTE_COMMAND_H
#define STATUS_ROUTE_COMMAND_H

#include "config/options.h"

/* Reads the file of the options, asks the routing tables of each instance for the login, and prints
 * what each said and how the server would be reached. Connects to no server. Returns an exit code: 75
 * when a table failed, 78 when the file has a mistake. */
int route_command_run(const struct options *options);

#endif
