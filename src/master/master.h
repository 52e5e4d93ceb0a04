/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master of the preforking server: it reads the configuration, owns the sockets and starts the
 * processes. It never reads an octet that came from the network.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "config/options.h"

/*
 * Runs the server that the options describe until it is told to end. `argv` is what it was started
 * with: an upgrade starts the next binary with the same. Returns the process's exit code: 0 after
 * an orderly end, 78 for a bad configuration, 71 when the system refused something.
 */
int master_run(const struct options *options, char *const argv[]);

#endif
