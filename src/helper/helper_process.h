/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process of the helper.
 */
#ifndef HELPER_HELPER_PROCESS_H
#define HELPER_HELPER_PROCESS_H

#include <signal.h>
#include <sys/types.h>

#include "config/conf.h"
#include "route/route_counts.h"

/* Tells a helper to finish its work and end; another one takes the requests. */
enum { HELPER_SIGNAL_RELIEF = SIGUSR1 };

/* How much longer than the acp's time limit a session waits, for the helper to say what happened.
 */
enum { HELPER_GRACE_MS = 250 };

/*
 * Serves the requests that come on `request_fd`, until no process can ask any more and the work is
 * done. Each octet that comes on `pulse_fd` (-1: none) is sent back there, as a sign of life. Call
 * it in a new child: it becomes this user where it is root, closes all descriptors except these and
 * the log's, resets all signals, and enters the sandbox of a helper. What routing tables answer is
 * counted in `counts` (NULL: nowhere). Returns when the process may exit.
 */
void helper_process_run(const struct conf_instance *conf, struct route_counts *const *counts,
                        int request_fd, int pulse_fd, uid_t uid, gid_t gid);

#endif
