/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two sockets of the status: the control socket (a file) and the one for the metrics, which is a
 * file or a port. The master binds them, keeps them over reloads and passes a port on in an upgrade. A
 * change is made in two steps: prepare, which may fail and changes nothing that is in use, and commit.
 */
#ifndef STATUS_STATUS_SOCKETS_H
#define STATUS_STATUS_SOCKETS_H

#include "base/error.h"
#include "config/conf.h"

/*
 * Binds what the configuration names and is not bound yet. A file on which nobody listens is
 * replaced. One that answers belongs to another server and is refused, unless that server is the
 * previous binary in an upgrade. Returns 0, or -1 with `error` set ("ORIGIN: KEY = VALUE: why").
 */
int status_sockets_prepare(const struct conf *conf, struct error *error);
/* Puts what was prepared in force. Failures are logged. */
void status_sockets_commit(void);
/* Closes what was prepared. */
void status_sockets_forget(void);
/* Closes everything, and removes files that are still ours. */
void status_sockets_close(void);

/* In the process that is about to become the next binary: passes the port of
 * the metrics on to it. */
void status_sockets_pass(void);

/* Descriptors of the sockets in force; -1: none. */
int status_sockets_control(void);
int status_sockets_metrics(void);

#endif
