/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting a whole configuration together from filled sections, and the checks across instances.
 */
#ifndef CONFIG_CONF_BUILD_H
#define CONFIG_CONF_BUILD_H

#include "config/conf.h"
#include "config/mistakes.h"

/*
 * The configuration of a server that is started without a file: one instance for each address in
 * `listens`, named by it, each with the section's settings. Without addresses it has one instance,
 * for the session of a superserver. Takes `section` over. Returns 0, or -1 and nothing, after
 * reporting every mistake.
 */
int conf_from_section(struct conf *conf, struct conf_section *section, char *const *listens,
                      size_t listen_count, conf_report *report, void *context);

/* Makes room for `count` instances. Call it once, before conf_add_instance(). Returns 0, or -1 when
 * there is no memory, which `mistakes` then says. */
int conf_make_room(struct conf *conf, size_t count, struct mistakes *mistakes);

/* Builds an instance from the section, which it takes over, and adds it. An instance with mistakes
 * is added as well, for the checks across instances. */
void conf_add_instance(struct conf *conf, struct conf_section *section, struct mistakes *mistakes);

/* Checks what no instance can check alone: that no two listen on the same address, and who the
 * workers are. */
void conf_check_whole(struct conf *conf, struct mistakes *mistakes);

#endif
