/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One session on standard input and output, as a superserver starts it.
 */
#ifndef MASTER_INETD_H
#define MASTER_INETD_H

#include "config/conf.h"

/* Serves the session. Takes the section over. Returns the process's exit code: 0 when the client or
 * the server ended the session, in whatever way, 71 when the system failed. */
int inetd_run(struct conf_section *section);

/* Says that the settings cannot be used, and why: on standard error, unless that is the client's
 * connection. Where a superserver has started this process, the log gets the reason too, and the
 * client a reply without it. */
void inetd_refuse(const char *why);

#endif
