/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TLS settings of an instance, as contexts.
 */
#ifndef CONFIG_CONF_TLS_H
#define CONFIG_CONF_TLS_H

#include "config/conf.h"

/* Make the contexts an instance asks for. Return 0, or -1 with `error` set. What was made is freed
 * with the instance in either case. */
int conf_tls_init_clients(struct conf_instance *instance, struct error *error);
int conf_tls_init_servers(struct conf_instance *instance, struct error *error);

/* For a child of the server that serves this instance alone: it gives up the keys of all others. */
void conf_tls_keep_only(const struct conf_instance *instance);

#endif
