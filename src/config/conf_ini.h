/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole configuration: from the INI file, or from the command line where there is no file. Every
 * mistake is reported with its place.
 */
#ifndef CONFIG_CONF_INI_H
#define CONFIG_CONF_INI_H

#include "config/conf.h"

enum { CONF_INSTANCES_MAX = 1000, CONF_NAME_BYTES = 32 };

/*
 * Reads and checks the file: [proxy], then one [instance NAME] per listening address. What
 * `overrides` (NULL for none) has set counts in place of what the file says, in every section.
 * Reports every mistake it can find, sorted by line. Returns 0 and a complete configuration, or -1
 * and nothing. The caller frees it with conf_free().
 */
int conf_load(struct conf *conf, const char *path, const struct conf_section *overrides,
              conf_report *report, void *context);

/*
 * The configuration of a server started without a file: one instance per address in `listens`,
 * named by it, each with the section's settings; without addresses one instance, for the session of
 * a superserver. Takes `section` over. Returns 0, or -1 after reporting and nothing.
 */
int conf_from_section(struct conf *conf, struct conf_section *section, char *const *listens,
                      size_t listen_count, conf_report *report, void *context);

/*
 * What is wrong but may be mended while the server runs: a program or a directory that the workers'
 * user may not use, a file that the master cannot write, a timeout below 600 s, more memory, open
 * files or processes than the machine gives; and when `is_test`, as it may take as long as the
 * resolver likes or a start logs it by itself, a server name that does not resolve and a certificate
 * that expires soon. One report each.
 */
void conf_warn(const struct conf *conf, bool is_test, conf_report *report, void *context);

#endif
