/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What to tell an operator when a listening address cannot be used.
 */
#ifndef CONFIG_CONF_LISTEN_H
#define CONFIG_CONF_LISTEN_H

#include "base/address.h"

enum { CONF_LISTEN_FAILURE_SIZE = 160 };

/* What is wrong with the address, and how to mend it, when socket(), bind() or listen() has failed
 * with `error` (an errno). Returns `text`. */
const char *conf_listen_failure(const struct address *address, int error,
                                char text[CONF_LISTEN_FAILURE_SIZE]);

/* Checks, without listening there, whether this machine has the address: that is, whether the
 * kernel knows the family, and an interface the address. A port in use is not noticed, because the
 * server that runs may use it. Returns 0, or -1 with errno. */
int conf_listen_try(const struct address *address);

#endif
