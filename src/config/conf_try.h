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
 * exist for a file of the master, and a server that is the proxy itself. Reports as a warning: a
 * server name that does not resolve. Asks the resolver, so it may take long. Returns 0, or -1 when
 * there was a mistake.
 */
int conf_try(const struct conf *conf, conf_report *mistake, conf_report *warning, void *context);

#endif
