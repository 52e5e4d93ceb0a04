/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One session on standard input and output, as a superserver starts it.
 */
#ifndef MASTER_INETD_H
#define MASTER_INETD_H

#include "config/conf.h"

/* Serves the session and returns the process's exit code: 0 when the session ended in whatever way
 * the peers brought about, 71 when the system failed us. Takes the section over. */
int inetd_run(struct conf_section *section);

/* Says that the settings cannot work: on standard error, unless that is a connection; and where a
 * superserver has started us, in the log, and to the client without the reason. */
void inetd_refuse(const char *why);

#endif
