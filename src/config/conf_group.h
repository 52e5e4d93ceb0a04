/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Groups of servers: from a filled section to a group, and what instances have to do with them.
 */
#ifndef CONFIG_CONF_GROUP_H
#define CONFIG_CONF_GROUP_H

#include "config/conf.h"
#include "config/mistakes.h"

/* Makes room for `count` groups. Call it once, before conf_group_add(). Returns 0, or -1 when there
 * is no memory, which `mistakes` then says. */
int conf_group_make_room(struct conf *conf, size_t count, struct mistakes *mistakes);

/* Builds a group from the section, which it takes over, and adds it. A group with mistakes is added
 * as well, so that what names it is not a mistake too. */
void conf_group_add(struct conf *conf, struct conf_section *section, struct mistakes *mistakes);

/* The group of this name, or NULL. */
const struct conf_group *conf_group_find(const struct conf_groups *groups, const char *name);

/* Gives the instance its groups, and finds the one that is its default server. */
void conf_group_attach(struct conf_instance *instance, const struct conf_groups *groups,
                       struct mistakes *mistakes);

/*
 * The instances that use the group, one for each way of reaching a server: instances whose keys
 * server_tls*, source_addresses and send_proxy_protocol and whose default port are alike are one.
 * Without an instance that names the group, those with routing tables, which may. Begin with *at 0.
 * Returns the next one, or NULL.
 */
const struct conf_instance *conf_group_next_user(const struct conf *conf,
                                                 const struct conf_group *group, size_t *at);

/* Frees all groups. NULL is harmless. */
void conf_groups_free(struct conf_groups *groups);

#endif
