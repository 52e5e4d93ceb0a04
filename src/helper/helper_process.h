/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper's own process.
 */
#ifndef HELPER_HELPER_PROCESS_H
#define HELPER_HELPER_PROCESS_H

#include <signal.h>

#include "config/conf.h"

/* Says to a helper: finish what is under way and leave; another one takes the requests. */
enum { HELPER_SIGNAL_RELIEF = SIGUSR1 };

/* What a session waits beyond the acp's limit for the helper's word about it. */
enum { HELPER_GRACE_MS = 250 };

/*
 * Serves requests from `request_fd` until every asking side is gone and the work is done. Called in
 * a fresh child that has given up its privileges; closes all descriptors but the log's and this
 * one, and resets signals. Returns when the process may exit.
 */
void helper_process_run(const struct conf_instance *conf, int request_fd);

#endif
