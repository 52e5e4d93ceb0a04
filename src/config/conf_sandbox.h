/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the settings of an instance let its processes see: files, and ports of servers.
 */
#ifndef CONFIG_CONF_SANDBOX_H
#define CONFIG_CONF_SANDBOX_H

#include "base/sandbox.h"
#include "config/conf.h"

/* A process with sessions of this instance: no file. Only the ports of its servers, if neither
 * clients nor routing tables choose the port. */
void conf_sandbox_sessions(const struct conf_instance *instance, struct sandbox_view *view);

/* The process that checks the groups' servers: no file, and the ports of these servers. */
void conf_sandbox_check(const struct conf *conf, struct sandbox_view *view);

/* The helper of the instance: its tables, its client log, and what the resolver reads; the port of
 * name servers only, if no table is a server. The view points to memory of this module, so a process
 * can make one only. */
void conf_sandbox_helper(const struct conf_instance *instance, struct sandbox_view *view);
/* The role of that helper. */
enum sandbox_role conf_sandbox_helper_role(const struct conf_instance *instance);

/* Whether a session of the instance may need the helper at all. */
bool conf_sandbox_needs_helper(const struct conf_instance *instance);

#endif
