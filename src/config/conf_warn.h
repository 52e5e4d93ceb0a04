/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Warnings about a sound configuration: what the machine does not have, or does not permit, now.
 */
#ifndef CONFIG_CONF_WARN_H
#define CONFIG_CONF_WARN_H

#include "config/conf.h"

/*
 * Reports what is wrong but may be mended while the server runs: a program or a directory that the
 * workers' user may not use, a file that the master cannot write, a timeout below 600 s, more
 * memory, open files or processes than the machine has. With `is_test` also a certificate that
 * expires soon, because a start logs that by itself. One report for each.
 */
void conf_warn(const struct conf *conf, bool is_test, conf_report *report, void *context);

/* The same for one session of a superserver that runs as `uid` and `gid`: its access control program,
 * the directory of its client log and, unless it is quiet, its timeout. */
void conf_warn_session(const struct conf_instance *instance, uid_t uid, gid_t gid,
                       conf_report *report, void *context);

#endif
