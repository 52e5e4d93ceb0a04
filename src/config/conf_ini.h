/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole configuration from the INI file. Every mistake is reported with its FILE:LINE.
 */
#ifndef CONFIG_CONF_INI_H
#define CONFIG_CONF_INI_H

#include "config/conf.h"

enum { CONF_INSTANCES_MAX = 1000 };

/*
 * Reads and checks the file: [proxy], one [instance NAME] for each listening address, and one
 * [group NAME] for each group of servers. What is set in `overrides` (may be NULL) replaces what the
 * file says, in every section. Reports every mistake, sorted by line. Returns 0 and a complete
 * configuration, which the caller frees with conf_free(), or -1 and nothing.
 */
int conf_load(struct conf *conf, const char *path, const struct conf_section *overrides,
              conf_report *report, void *context);

/*
 * Finds the path of the control socket, `control` under [proxy], whatever else is wrong in the file:
 * when a server must be examined, its file may be half edited. Returns 0 and a copy that the caller
 * frees, NULL where the file has no such key; or -1 with `error` set.
 */
int conf_load_control(char **control_r, const char *path, struct error *error);

#endif
