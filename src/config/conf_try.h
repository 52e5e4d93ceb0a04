/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What -T finds by trying: a sound configuration with which this machine could not start the server,
 * or with which no client could log in.
 */
#ifndef CONFIG_CONF_TRY_H
#define CONFIG_CONF_TRY_H

#include "config/conf.h"

/*
 * Reports as mistakes: an address to listen on that no interface has, a directory that does not
 * exist for a file of the master, a control socket whose path is another file, and a server that is the
 * proxy itself. Reports as warnings: a server name that does not resolve and, unless the server seems
 * to run, a program that has the control socket or a listening address. Changes nothing. Asks the
 * resolver, so it may take long. Returns 0, or -1 when there was a mistake.
 */
int conf_try(const struct conf *conf, conf_report *mistake, conf_report *warning, void *context);

#endif
