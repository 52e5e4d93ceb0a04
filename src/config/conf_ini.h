/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file: INI, read through iniparser. What that library does not tell (line
 * numbers, repeated and unknown keys) is found here, so that every mistake has its place.
 */
#ifndef CONFIG_CONF_INI_H
#define CONFIG_CONF_INI_H

#include "config/conf.h"

/* Called once a mistake, with one line "FILE:LINE: what is wrong and what would be right". */
typedef void conf_report(void *context, const char *text);

/*
 * Reads and checks the file: [proxy], then one [instance NAME] per listening address. Reports every
 * mistake it can find, not just the first. Returns 0 and a complete configuration, or -1 and
 * nothing. The caller frees it with conf_free().
 */
int conf_load(struct conf *conf, const char *path, conf_report *report, void *context);

/*
 * The configuration of a server started without a file: one instance per address in `listens`,
 * each with the section's settings. Takes `section` over. Returns 0, or -1 after reporting.
 */
int conf_from_section(struct conf *conf, struct conf_section *section, char *const *listens,
                      size_t listen_count, conf_report *report, void *context);

/*
 * What is wrong but may be mended while the server runs: an acp that cannot be executed, a client
 * log directory that cannot be written by the workers' user, a server name that does not resolve
 * (looked up when `look_up`), a timeout below 600 s. One report each.
 */
void conf_warn(const struct conf *conf, bool look_up, conf_report *report, void *context);

#endif
