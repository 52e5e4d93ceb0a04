/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of servers that clients may choose: allow_servers and allow_servers_file.
 */
#ifndef CONFIG_CONF_ALLOW_H
#define CONFIG_CONF_ALLOW_H

#include "config/conf.h"

/* Checks that clients may choose a server at all when there is a list. Returns 0, or -1 with `error`
 * set. */
int conf_allow_check(struct conf_instance *instance, struct error *error);

/* Makes the instance's list from allow_servers; an instance without a list has none (NULL). Returns
 * 0, or -1 with `error` set. The list is freed with the instance in either case. */
int conf_allow_init(struct conf_instance *instance, struct error *error);

/* Adds the lines of allow_servers_file to the list. Reports every line that is not a pattern, by
 * its own FILE:LINE. Returns 0, or -1. */
int conf_allow_add_file(struct conf_instance *instance, conf_report *report, void *context);

#endif
