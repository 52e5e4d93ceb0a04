/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings of routing, and what is wrong with the tables that they name.
 */
#ifndef CONFIG_CONF_ROUTE_H
#define CONFIG_CONF_ROUTE_H

#include "config/conf.h"
#include "route/router.h"

/* What a router of the instance is set up with. The result refers to the instance's texts. */
struct router_settings conf_route_settings(const struct conf_instance *instance);

/* What the fields of an answer say about TLS with the server; `otherwise` where they say nothing. */
enum conf_server_tls conf_route_tls(const char *const fields[ROUTE_FIELD_COUNT],
                                    enum conf_server_tls otherwise);

/* Puts the server that the fields of an answer name into `server`, where the default server stands. A
 * port alone changes that of the default server, if there is one. */
void conf_route_take_server(const struct conf_instance *instance,
                            const char *const fields[ROUTE_FIELD_COUNT], struct host_port *server);

/* Opens every table of the instance and reads it. Reports each that is missing or broken, with the
 * origin of the key. */
void conf_route_try(const struct conf_instance *instance, conf_report *report, void *context);

/* Reports what may be wrong with the tables: a socket that nobody listens on, a pattern that matches
 * anywhere. With `is_test` also an unknown field in a file, which a server logs when it meets one. */
void conf_route_warn(const struct conf_instance *instance, bool is_test, conf_report *report,
                     void *context);

#endif
