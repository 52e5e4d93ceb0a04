/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Showing what goes on: a process of its own, without privileges, that reads the shared memory and
 * serves the control socket and the metrics. The master binds the sockets, keeps them over
 * reloads, and stays out of every conversation.
 */
#ifndef STATUS_STATUS_H
#define STATUS_STATUS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "config/conf.h"
#include "pool/pool.h"

/* The settings can be met by this binary: `metrics_listen` needs it built with libmicrohttpd.
 * Returns 0, or -1 with `error` set. */
int status_check(const struct conf *conf, struct error *error);

/*
 * Binds what the configuration names and is not bound yet; nothing of it is in force before
 * status_restart(). A control socket nobody listens on is replaced; one that answers belongs to
 * another server and is refused, unless that is the one we succeed in an upgrade. Returns 0, or -1
 * with `error` set ("PLACE: KEY = VALUE: why").
 */
int status_prepare(const struct conf *conf, struct error *error);

/*
 * Starts the process, or replaces it after a reload, on what was prepared. It shows the pools as
 * they are in the list now; `pools` is the master's list itself, whose head may change. Does
 * nothing where neither `control` nor `metrics_listen` is set. Failures are logged.
 */
void status_restart(struct pool *const *pools, const struct conf *conf);

/* Forgets what was prepared. */
void status_forget(void);

/* The pools in the list or their states have changed: the process is replaced. */
void status_refresh(void);

/* A child has ended: true if it was the status process, which is then started again, with a
 * growing pause if it keeps dying. */
bool status_reap(pid_t pid);

/* In the process that is about to become the next binary: passes the metrics' socket on to it. */
void status_pass(void);

/* Ends the process, and removes the control socket if it is still ours. */
void status_stop(void);

#endif
