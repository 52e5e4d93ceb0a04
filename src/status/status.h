/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the server is shown by a process of its own, without privileges: it reads the shared
 * memory and serves the control socket and the metrics. The master binds the sockets, keeps them
 * over reloads, and never reads from a client itself.
 */
#ifndef STATUS_STATUS_H
#define STATUS_STATUS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "config/conf.h"
#include "pool/kick_relay.h"
#include "pool/pool.h"

/* Binds the sockets that the configuration names and that are not bound yet. They are in force from
 * status_restart() on. Returns 0, or -1 with `error` set, as status_sockets_prepare(). */
int status_prepare(const struct conf *conf, struct error *error);

/*
 * Puts in force what was prepared and starts the process, or replaces it. It shows the pools that
 * are in the list now; `pools` is the master's list itself, whose head may change. Without
 * `control` and `metrics_listen` there is no process. Failures are logged. `tell_predecessor` is
 * called when the operator ends sessions that the previous program may have.
 */
void status_restart(struct pool *const *pools, const struct conf *conf,
                    kick_relay_tell *tell_predecessor);

/* The next program tells this one, which it has replaced, that the operator ends sessions. */
void status_take_orders(void);

/* Closes what was prepared. */
void status_forget(void);

/* Replaces the process, after the pools in the list or their states have changed. */
void status_refresh(void);

/* Notes that a reload has failed, and why ("ORIGIN: what is wrong"). It is shown until
 * status_restart() says that settings are in force that are new. */
void status_note_failed_reload(const char *why);

/* Call it for each child that has ended, with its wait status. Returns true if it was the status
 * process, which is then started again, after a pause that grows if it keeps dying. */
bool status_reap(pid_t pid, int wait_status);

/* In the process that is about to become the next binary: passes on to it the metrics' socket, the
 * holds and the orders. */
void status_pass(void);

/* Ends the process, closes the sockets, and removes the control socket's file if it is still
 * ours. */
void status_stop(void);

#endif
