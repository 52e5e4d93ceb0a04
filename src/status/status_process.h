/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that shows what goes on. It answers and changes nothing.
 *
 * The control socket: one request line, one answer, close. Requests are "status",
 * "status --json", "metrics", and "view", the compact form for the live view. Everybody has five
 * seconds in all; a client that does not read costs its answer's memory and nobody's time, and
 * when too many come at once the oldest makes room.
 */
#ifndef STATUS_STATUS_PROCESS_H
#define STATUS_STATUS_PROCESS_H

#include <signal.h>
#include <stdint.h>

#include "pool/pool.h"

/* What the master says to it: leave. */
enum { STATUS_SIGNAL_LEAVE = SIGUSR1 };

struct status_process {
    const struct pool *pools;
    int64_t started_ms; /* of the server, monotonic */
    int control_fd;     /* -1: none; both listen and do not block */
    int metrics_fd;
    uid_t uid;
    gid_t gid;
    pid_t master_pid;
};

/* The life of the process. Called in a fresh child with all signals blocked; returns its exit
 * code. */
int status_process_run(const struct status_process *process);

#endif
