/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds a helper that does not answer any more, and kills it.
 *
 * This is the side of the master. It asks for a sign of life only after a session has waited for
 * long, so that idle processes are not woken up. A session cannot have a helper killed that
 * answers.
 */
#ifndef HELPER_HELPER_WATCH_H
#define HELPER_HELPER_WATCH_H

#include <ev.h>
#include <sys/types.h>

/* How long a helper may take for the sign of life. */
enum { HELPER_PULSE_MS = 5000 };

struct helper_watch {
    const char *instance; /* for the log */
    pid_t pid;
    int fd; /* -1: no helper */
    ev_io answered;
    ev_timer limit;
};

/* No helper yet. */
void helper_watch_init(struct helper_watch *watch, const char *instance);

/* Before a helper is forked: returns the helper's end, for helper_process_run(), which the caller
 * closes after the fork; -1 with errno where there is none. Ends the watch over an earlier one. */
int helper_watch_open(struct helper_watch *watch);

/* The helper has this process. */
void helper_watch_start(struct helper_watch *watch, pid_t pid);

/* A session has waited for long: asks for a sign of life. Where none comes, logs it and kills the
 * helper; the caller will be told of its end as of any child's. */
void helper_watch_check(struct helper_watch *watch);

/* The helper has ended, or leaves. */
void helper_watch_stop(struct helper_watch *watch);

#endif
