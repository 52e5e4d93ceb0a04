/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files are named by their directories, because they are replaced by renaming: a rule for a file
 * would hold for the old one only. A link is followed once, when the process starts.
 */
#include "config/conf_sandbox.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "route/route_table.h"

enum { POP3S_PORT = 995, NAME_PORT = 53 };

/* ---- ports ---- */

static void add_group_ports(struct sandbox_view *view, const struct conf_instance *instance,
                            const struct conf_group *group)
{
    for (size_t i = 0; i < group->route.count; i++) {
        uint16_t port = group->route.servers[i].name.port;

        sandbox_view_add_port(view, port != 0 ? port : instance->server_port);
    }
    sandbox_view_add_port(view, POP3S_PORT); /* of groups that have TLS from the first octet */
}

void conf_sandbox_sessions(const struct conf_instance *instance, struct sandbox_view *view)
{
    /* A table may name the address, too. */
    *view = (struct sandbox_view){.may_bind = instance->source_count > 0 ||
                                              instance->values->route != NULL};
    view->has_ports = !instance->values->select_server && instance->values->route == NULL;
    sandbox_view_add_port(view, instance->server_port);
    if (instance->group != NULL)
        add_group_ports(view, instance, instance->group);
    else if (instance->has_server)
        sandbox_view_add_port(view, instance->server.port);
}

void conf_sandbox_check(const struct conf *conf, struct sandbox_view *view)
{
    *view = (struct sandbox_view){.has_ports = true};
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_instance *instance = &conf->instances[i];

        view->may_bind |= instance->source_count > 0;
        for (size_t j = 0; j < conf->groups->count; j++)
            add_group_ports(view, instance, &conf->groups->list[j]);
    }
}

/* ---- files ---- */

struct place {
    char path[PATH_MAX];
};

static struct place places[SANDBOX_PATHS_MAX];

/* The directory of the file at this path; and that of the file itself, if a link leads elsewhere. */
static void add_directory_of(struct sandbox_view *view, const char *path, size_t length)
{
    char whole[PATH_MAX];
    char *real;

    if (length >= sizeof(whole))
        return;
    snprintf(whole, sizeof(whole), "%.*s", (int)length, path);
    real = realpath(whole, NULL);
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? whole : real;
        const char *slash = name == NULL ? NULL : strrchr(name, '/');
        struct place *place = &places[view->path_count];

        if (slash == NULL || view->path_count == SANDBOX_PATHS_MAX)
            continue;
        snprintf(place->path, sizeof(place->path), "%.*s", slash == name ? 1 : (int)(slash - name),
                 name);
        sandbox_view_add(view, place->path, false);
    }
    free(real);
}

static bool is_url(const struct route_table_ops *table)
{
    return table != NULL && (strcmp(table->scheme, "http") == 0 ||
                             strcmp(table->scheme, "https") == 0 || strcmp(table->scheme, "unix") == 0);
}

static void add_tables(struct sandbox_view *view, const char *tables)
{
    struct list_entry entry;

    while (list_next(&tables, &entry)) {
        const char *location;
        const struct route_table_ops *table = route_table_find(entry.text, &location);

        if (table != NULL && table->check == route_check_path)
            add_directory_of(view, location, (size_t)(entry.text + entry.length - location));
    }
}

/* Whether no table is a server. */
static bool are_all_files(const char *tables)
{
    struct list_entry entry;

    while (list_next(&tables, &entry)) {
        const char *location;
        const struct route_table_ops *table = route_table_find(entry.text, &location);

        if (table == NULL || table->check != route_check_path)
            return false;
    }
    return true;
}

/* libcurl loads what nsswitch.conf names, and reads certificates. */
static void add_libraries(struct sandbox_view *view)
{
    static const char *const paths[] = {
        "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates", "/usr/share/pki", "/var/lib/ca-certificates"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        sandbox_view_add(view, paths[i], false);
    sandbox_view_add(view, getenv("SSL_CERT_FILE"), false);
    sandbox_view_add(view, getenv("SSL_CERT_DIR"), false);
}

enum sandbox_role conf_sandbox_helper_role(const struct conf_instance *instance)
{
    const char *tables = instance->values->route;
    struct list_entry entry;

    while (list_next(&tables, &entry)) {
        const char *location;

        if (is_url(route_table_find(entry.text, &location)))
            return SANDBOX_HELPER_HTTP;
    }
    return SANDBOX_HELPER;
}

void conf_sandbox_helper(const struct conf_instance *instance, struct sandbox_view *view)
{
    static const char resolver[] = "/etc/resolv.conf";
    static const char hosts[] = "/etc/hosts";

    *view = (struct sandbox_view){.has_ports = are_all_files(instance->values->route)};
    sandbox_view_add_port(view, NAME_PORT);
    add_directory_of(view, resolver, sizeof(resolver) - 1);
    add_directory_of(view, hosts, sizeof(hosts) - 1);
    add_tables(view, instance->values->route);
    sandbox_view_add(view, instance->values->client_log, true);
    if (conf_sandbox_helper_role(instance) == SANDBOX_HELPER_HTTP)
        add_libraries(view);
}

bool conf_sandbox_needs_helper(const struct conf_instance *instance)
{
    const struct conf_values *values = instance->values;
    struct address literal;

    return values->acp != NULL || values->client_log != NULL || values->route != NULL ||
           values->select_server || instance->group != NULL || !instance->has_server ||
           address_from_literal(&literal, instance->server.host, 0) == -1;
}
