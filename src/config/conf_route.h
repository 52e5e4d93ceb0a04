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

/* Opens every table of the instance and reads it. Reports each that is missing or broken, with the
 * origin of the key. */
void conf_route_try(const struct conf_instance *instance, conf_report *report, void *context);

/* Reports what may be wrong with the tables: a socket that nobody listens on, a pattern that matches
 * anywhere. */
void conf_route_warn(const struct conf_instance *instance, conf_report *report, void *context);

#endif
