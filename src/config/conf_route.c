/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing as the configuration sees it: reading the tables when it is checked, so that a mistake in
 * one is found before any user meets it.
 */
#include "config/conf_route.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/conf_group.h"

/* Puts the origin of the key before the text of a mistake or warning. */
struct teller {
    const struct conf_section *section;
    conf_report *report;
    void *context;
};

static void tell(void *context, const char *text)
{
    struct teller *teller = context;
    struct error error;

    error_set(&error, "%s: route: %s", conf_origin(teller->section, CONF_KEY_route), text);
    teller->report(teller->context, error.text);
}

static bool has_group(const void *context, const char *name)
{
    return conf_group_find(context, name) != NULL;
}

struct router_settings conf_route_settings(const struct conf_instance *instance)
{
    const struct conf_values *values = instance->values;

    return (struct router_settings){
        .tables = values->route,
        .keys = values->route_key,
        .stale_ms = values->route_stale * 1000,
        .is_password_told = values->route_password,
        .environment = {.has_group = has_group,
                        .context = instance->groups,
                        .timeout_ms = values->route_timeout * 1000},
    };
}

enum conf_server_tls conf_route_tls(const char *const fields[ROUTE_FIELD_COUNT],
                                    enum conf_server_tls otherwise)
{
    if (fields[ROUTE_FIELD_SSL] != NULL)
        return CONF_SERVER_TLS_IMPLICIT;
    return fields[ROUTE_FIELD_STARTTLS] != NULL ? CONF_SERVER_TLS_STLS : otherwise;
}

/* The texts were checked when the answer was parsed. */
void conf_route_take_server(const struct conf_instance *instance,
                            const char *const fields[ROUTE_FIELD_COUNT], struct host_port *server)
{
    const char *host = fields[ROUTE_FIELD_HOST], *port = fields[ROUTE_FIELD_PORT];

    if (host != NULL) {
        snprintf(server->host, sizeof(server->host), "%s", host);
        server->port = conf_port_for(instance, conf_route_tls(fields, CONF_SERVER_TLS_NO));
    }
    if (port != NULL && server->host[0] != '\0')
        server->port = (uint16_t)strtoul(port, NULL, 10);
}

static bool has_tables(const struct conf_instance *instance)
{
    return instance->values->route != NULL && !instance->section.is_wrong[CONF_KEY_route];
}

void conf_route_try(const struct conf_instance *instance, conf_report *report, void *context)
{
    struct teller teller = {.section = &instance->section, .report = report, .context = context};
    struct router_settings settings = conf_route_settings(instance);

    if (has_tables(instance))
        router_try_tables(settings.tables, &settings.environment, tell, &teller);
}

void conf_route_warn(const struct conf_instance *instance, bool is_test, conf_report *report,
                     void *context)
{
    struct teller teller = {.section = &instance->section, .report = report, .context = context};

    if (has_tables(instance))
        router_warn_of_tables(instance->values->route, is_test, tell, &teller);
}
