/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that shows the state of the server, and takes the operator's orders.
 *
 * On the control socket a client sends one request line, gets one answer, and the connection is
 * closed. The requests are "status", "status --json", "metrics", "view", the compact form for the
 * live view, and the orders of orders.h. Each client has five seconds in all. A client that does not
 * read costs the memory of its answer and delays nobody. When too many connect at once, the oldest is
 * dropped.
 */
#ifndef STATUS_STATUS_PROCESS_H
#define STATUS_STATUS_PROCESS_H

#include <signal.h>
#include <stdint.h>

#include "base/seqlock.h"
#include "pool/pool.h"
#include "status/status_history.h"
#include "status/status_page.h"
#include "status/status_view.h"

/* The signal by which the master tells it to leave. */
enum { STATUS_SIGNAL_LEAVE = SIGUSR1 };

/* What came of reloads, in memory that the master shares with the process. */
struct status_reloads {
    struct seqlock lock;
    struct status_reload last;
};

struct status_process {
    const struct pool *pools;
    const struct status_reloads *reloads; /* shared; NULL where there was no memory for it */
    struct status_history *history;       /* the same; written by this process */
    enum status_page page;                /* what the status page shows */
    int64_t started_ms;                   /* of the server, monotonic */
    int control_fd;                       /* listens and does not block; -1: none */
    int metrics_fd;                       /* the same */
    int wake_fd; /* an eventfd: the master tells the workers of sessions that were marked */
    uid_t uid;
    gid_t gid;
    pid_t master_pid;
};

/* Runs the process, in a fresh child with all signals blocked. Returns its exit code. */
int status_process_run(const struct status_process *process);

#endif
