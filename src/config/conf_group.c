/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the sections [group NAME] to groups of servers.
 */
#include "config/conf_group.h"

#include <stdlib.h>
#include <string.h>

#include "route/route_hash.h"

/* ---- one group ---- */

/* The settings that a choice needs, in its own units. */
static void take_settings(struct conf_group *group)
{
    const struct conf_values *values = &group->section.values;
    struct route_group *route = &group->route;

    route->name = group->section.name;
    route->hash = (enum route_group_hash)values->group_hash;
    route->is_checked = values->group_check != CONF_GROUP_CHECK_NO;
    route->retry_ms = values->group_check_interval * values->group_fall * 1000;
    route->fall = values->group_fall;
    route->slow_start_ms = values->group_slow_start * 1000;
    route->stay_ms = values->group_stay * 1000;
    route->max_sessions = (unsigned)values->group_max_sessions;
    route->max_logins = (unsigned)values->group_max_logins;
    route->in_use_wait_ms = group->section.origin[CONF_KEY_group_in_use_wait] == NULL
                                ? -1
                                : values->group_in_use_wait * 1000;
}

static int take_servers(struct conf_group *group, struct error *error)
{
    const struct conf_section *section = &group->section;
    struct error why;

    if (section->is_wrong[CONF_KEY_group_servers])
        return 0;
    if (section->values.group_servers == NULL)
        return error_set(error, "%s: [group %s]: servers is missing; add servers = HOST, HOST",
                         section->section_origin, section->name);
    if (route_group_parse(section->values.group_servers, &group->route.servers,
                          &group->route.count, &why) == -1)
        return error_set(error, "%s: servers: %s", conf_origin(section, CONF_KEY_group_servers),
                         why.text);
    return 0;
}

static int check_built_in(const struct conf_group *group, struct error *error)
{
    if (route_hash_is_supported())
        return 0;
    return error_set(error, "%s: [group %s]: not built in; build with libxxhash",
                     group->section.section_origin, group->section.name);
}

/* ---- all groups ---- */

int conf_group_make_room(struct conf *conf, size_t count, struct mistakes *mistakes)
{
    conf->groups = calloc(1, sizeof(*conf->groups));
    if (conf->groups != NULL)
        conf->groups->list = calloc(count + 1, sizeof(*conf->groups->list));
    if (conf->groups != NULL && conf->groups->list != NULL)
        return 0;
    mistakes->is_incomplete = true;
    return -1;
}

void conf_group_add(struct conf *conf, struct conf_section *section, struct mistakes *mistakes)
{
    struct conf_group *group = &conf->groups->list[conf->groups->count];
    struct error error;

    if (section->is_incomplete || section->name == NULL) {
        mistakes->is_incomplete = true;
        conf_section_free(section);
        return;
    }
    conf->groups->count++;
    *group = (struct conf_group){.section = *section};
    *section = (struct conf_section){0};
    take_settings(group);
    if (check_built_in(group, &error) == -1)
        mistakes_take(mistakes, error.text);
    if (take_servers(group, &error) == -1)
        mistakes_take(mistakes, error.text);
}

const struct conf_group *conf_group_find(const struct conf_groups *groups, const char *name)
{
    for (size_t i = 0; groups != NULL && i < groups->count; i++)
        if (strcmp(groups->list[i].section.name, name) == 0)
            return &groups->list[i];
    return NULL;
}

void conf_groups_free(struct conf_groups *groups)
{
    for (size_t i = 0; groups != NULL && i < groups->count; i++) {
        route_group_free_servers(groups->list[i].route.servers, groups->list[i].route.count);
        conf_section_free(&groups->list[i].section);
    }
    if (groups != NULL)
        free(groups->list);
    free(groups);
}

/* ---- instances ---- */

void conf_group_attach(struct conf_instance *instance, const struct conf_groups *groups,
                       struct mistakes *mistakes)
{
    const struct conf_section *section = &instance->section;
    const char *server = section->values.server;
    const char *name = server == NULL ? NULL : conf_group_name(server);
    struct error error;

    instance->groups = groups;
    instance->group = name == NULL ? NULL : conf_group_find(groups, name);
    if (name == NULL || instance->group != NULL || section->is_wrong[CONF_KEY_server])
        return;
    error_set(&error, "%s: server = %s: there is no such group; add [group %s] with servers = HOST, HOST",
              conf_origin(section, CONF_KEY_server), server, name);
    mistakes_take(mistakes, error.text);
}

/* ---- how its servers are reached ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool have_same_tls(const struct conf_values *a, const struct conf_values *b)
{
    return a->server_tls == b->server_tls && a->server_tls_verify == b->server_tls_verify &&
           a->server_tls_min_version == b->server_tls_min_version &&
           is_same_text(a->server_tls_ciphers, b->server_tls_ciphers) &&
           is_same_text(a->server_tls_ca, b->server_tls_ca) &&
           is_same_text(a->server_tls_certificate, b->server_tls_certificate) &&
           is_same_text(a->server_tls_key, b->server_tls_key);
}

static bool reach_alike(const struct conf_instance *a, const struct conf_instance *b)
{
    return have_same_tls(a->values, b->values) &&
           is_same_text(a->values->source_addresses, b->values->source_addresses) &&
           a->values->send_proxy_protocol == b->values->send_proxy_protocol &&
           a->server_port == b->server_port;
}

static bool names(const struct conf_instance *instance, const struct conf_group *group)
{
    return instance->group == group;
}

static bool has_tables(const struct conf_instance *instance, const struct conf_group *group)
{
    (void)group;
    return instance->values->route != NULL;
}

static bool is_named(const struct conf *conf, const struct conf_group *group)
{
    for (size_t i = 0; i < conf->count; i++)
        if (names(&conf->instances[i], group))
            return true;
    return false;
}

const struct conf_instance *conf_group_next_user(const struct conf *conf,
                                                 const struct conf_group *group, size_t *at)
{
    bool (*uses)(const struct conf_instance *instance, const struct conf_group *group_) =
        is_named(conf, group) ? names : has_tables;

    while (*at < conf->count) {
        const struct conf_instance *user = &conf->instances[(*at)++];
        const struct conf_instance *earlier = conf->instances;

        while (earlier < user && !(uses(earlier, group) && reach_alike(earlier, user)))
            earlier++;
        if (earlier == user && uses(user, group))
            return user;
    }
    return NULL;
}
