/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What -T finds out about other programs on this machine, without disturbing them.
 */
#ifndef CONFIG_CONF_TAKEN_H
#define CONFIG_CONF_TAKEN_H

#include <stdbool.h>

#include "base/address.h"
#include "config/conf_section.h"

/* Whether the server of this configuration seems to run: a process of our name is the one that its
 * pidfile names, or systemd's variable MAINPID. Without both nobody can tell. */
bool conf_is_running(const struct conf_section *proxy);

/* Whether a program listens at the address already. It does not notice that we ask. */
bool conf_is_taken(const struct address *address);

#endif
