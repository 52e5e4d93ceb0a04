/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a filled section to an instance: the defaults that depend on other keys, the checks of what
 * goes with what, and the things that are made of settings once (allow list, TLS contexts). Knows
 * nothing of files with sections, argv or sessions.
 */
#include "config/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf_allow.h"
#include "config/conf_check.h"
#include "config/conf_group.h"
#include "config/conf_tls.h"
#include "io/coroutine.h"

enum {
    CONF_MAX_PER_IP = 65535,
    POP3_PORT = 110,
    POP3S_PORT = 995,
};

/* ---- the pool ---- */

/* Sessions that a worker carries at once on this machine. */
static int64_t places_of(const struct conf_values *values)
{
    return coroutine_is_supported() ? values->sessions_per_worker : 1;
}

struct conf_pool_shape conf_pool_shape(const struct conf_values *values)
{
    size_t workers = (size_t)values->max_workers;
    size_t places = (size_t)places_of(values);

    if (places == 1)
        return (struct conf_pool_shape){places, 1, workers};
    /* A worker that leaves with many sessions is replaced before it is gone. */
    return (struct conf_pool_shape){places, 1 + places, 2 * workers};
}

/* Workers that carry many sessions share the processors best when there is one for each. */
static void set_many_defaults(struct conf_section *section)
{
    struct conf_values *values = &section->values;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (places_of(values) == 1 || processors < 1)
        return;
    if (section->origin[CONF_KEY_workers] == NULL)
        values->workers = processors;
    if (section->origin[CONF_KEY_max_workers] == NULL)
        values->max_workers = 2 * values->workers;
}

/* Of the places, one address may have half before its logins, as in Postfix, and three quarters
 * after them: the users of a provider may come from one address, and some places must be left for
 * the others. One user may have no more than one address. */
static void set_share_defaults(struct conf_section *section)
{
    struct conf_values *values = &section->values;
    int64_t places = values->max_workers * places_of(values);
    int64_t most = (3 * places + 3) / 4;

    if (section->origin[CONF_KEY_max_per_ip] == NULL)
        values->max_per_ip = (places + 1) / 2;
    if (section->origin[CONF_KEY_max_sessions_per_ip] == NULL)
        values->max_sessions_per_ip = most;
    if (section->origin[CONF_KEY_max_sessions_per_user] == NULL &&
        values->max_sessions_per_user > most)
        values->max_sessions_per_user = most;
    /* The counters go no further. */
    if (values->max_per_ip > CONF_MAX_PER_IP)
        values->max_per_ip = CONF_MAX_PER_IP;
    if (values->max_sessions_per_ip > CONF_MAX_PER_IP)
        values->max_sessions_per_ip = CONF_MAX_PER_IP;
}

/* workers above max_workers is a mistake only where both were set: otherwise the one that was not
 * set follows. */
static void set_pool_defaults(struct conf_section *section)
{
    struct conf_values *values = &section->values;

    set_many_defaults(section);
    if (section->origin[CONF_KEY_max_workers] == NULL && values->max_workers < values->workers)
        values->max_workers = values->workers;
    if (section->origin[CONF_KEY_workers] == NULL && values->workers > values->max_workers)
        values->workers = values->max_workers;
    set_share_defaults(section);
}

static int check_pool(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = instance->values;

    if (values->workers > values->max_workers && !section->is_wrong[CONF_KEY_workers] &&
        !section->is_wrong[CONF_KEY_max_workers])
        return error_set(error,
                         "%s: workers = %" PRId64 ": must be at most max_workers, which is "
                         "%" PRId64,
                         conf_origin(section, CONF_KEY_workers), values->workers,
                         values->max_workers);
    return 0;
}

/* ---- limits ---- */

/* A phase of a session is never allowed more time than the operator gave an idle client. */
static void lower_to_timeout(const struct conf_section *section, enum conf_key key, int64_t *limit)
{
    if (section->origin[key] == NULL && *limit > section->values.timeout)
        *limit = section->values.timeout;
}

static void set_limit_defaults(struct conf_section *section)
{
    struct conf_values *values = &section->values;

    lower_to_timeout(section, CONF_KEY_login_timeout, &values->login_timeout);
    lower_to_timeout(section, CONF_KEY_client_login_timeout, &values->client_login_timeout);
    lower_to_timeout(section, CONF_KEY_connect_timeout, &values->connect_timeout);
    lower_to_timeout(section, CONF_KEY_server_timeout, &values->server_timeout);
    lower_to_timeout(section, CONF_KEY_acp_timeout, &values->acp_timeout);
}

/* ---- what goes with what ---- */

/* A key that has no effect without another one. Where that one is set, even to "no", the key may
 * stand as the default of other instances. */
static const struct {
    enum conf_key key;
    enum conf_key needed;
} needs[] = {
    {CONF_KEY_tls_certificate, CONF_KEY_tls},
    {CONF_KEY_tls_key, CONF_KEY_tls_certificate},
    {CONF_KEY_tls_ocsp, CONF_KEY_tls_certificate},
    {CONF_KEY_tls_min_version, CONF_KEY_tls},
    {CONF_KEY_tls_ciphers, CONF_KEY_tls},
    {CONF_KEY_tls_client_ca, CONF_KEY_tls},
    {CONF_KEY_server_tls_ca, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_verify, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_min_version, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_ciphers, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_certificate, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_key, CONF_KEY_server_tls_certificate},
    {CONF_KEY_proxy_protocol_from, CONF_KEY_proxy_protocol},
    {CONF_KEY_route_key, CONF_KEY_route},
    {CONF_KEY_route_timeout, CONF_KEY_route},
    {CONF_KEY_route_stale, CONF_KEY_route},
    {CONF_KEY_route_password, CONF_KEY_route},
};

static int refuse_need(const char *origin, const char *key, const struct conf_key_info *needed,
                       struct error *error)
{
    static const char no[] = "no|";
    size_t width = sizeof(no) - 1;

    if (strncmp(needed->argument, no, width) != 0)
        return error_set(error, "%s: %s needs %s = %s", origin, key, needed->name,
                         needed->argument);
    return error_set(error, "%s: %s needs %s = %s; to leave it unused, set %s = no",
                     origin, key, needed->name, needed->argument + width, needed->name);
}

static int check_needs(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;

    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        const char *origin = section->origin[needs[i].key];

        /* A routing table may ask for TLS with a server. */
        if (needs[i].needed == CONF_KEY_server_tls && section->values.route != NULL)
            continue;
        if (origin != NULL && section->origin[needs[i].needed] == NULL)
            return refuse_need(origin, conf_key_info(needs[i].key)->name,
                               conf_key_info(needs[i].needed), error);
    }
    return 0;
}

/* A worker that cannot enter its directory would die at its start. chroot("/") changes nothing, where
 * the root is still "/", and tells whether the call is permitted. */
static int check_chroot(struct conf_instance *instance, struct error *error)
{
    const char *origin = conf_origin(&instance->section, CONF_KEY_chroot);
    const char *directory = instance->values->chroot;
    struct stat status;

    if (directory == NULL)
        return 0;
    if (chroot("/") == -1)
        return error_set(error,
                         "%s: chroot = %s: needs a start by root, with CAP_SYS_CHROOT; start it "
                         "so, or leave chroot out",
                         origin, directory);
    if (stat(directory, &status) == -1)
        return error_set(error, "%s: chroot = %s: %s; create the directory", origin, directory,
                         strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return error_set(error, "%s: chroot = %s: must be a directory", origin, directory);
    return 0;
}

/* ---- what is made of settings ---- */

uint16_t conf_port_for(const struct conf_instance *instance, enum conf_server_tls tls)
{
    return tls == CONF_SERVER_TLS_IMPLICIT ? POP3S_PORT : instance->server_port;
}

static int set_server(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = instance->values;
    const char *origin = conf_origin(section, CONF_KEY_server);

    instance->server_port = values->server_tls == CONF_SERVER_TLS_IMPLICIT ? POP3S_PORT : POP3_PORT;
    instance->has_server = values->server != NULL && strcmp(values->server, "-") != 0;
    if (section->is_wrong[CONF_KEY_server] || section->is_wrong[CONF_KEY_select_server])
        return 0;
    if (instance->has_server && conf_group_name(values->server) != NULL) {
        instance->has_server = false; /* conf_group_attach() finds the group */
        return 0;
    }
    if (!instance->has_server && !values->select_server && values->route == NULL &&
        !section->is_wrong[CONF_KEY_route])
        return error_set(error,
                         "%s%s: no server to connect to: set server = HOST[:PORT], let the client "
                         "choose with select_server = yes (-e), or ask tables with route",
                         origin, values->server != NULL ? ": server = -" : "");
    if (!instance->has_server)
        return 0;
    if (host_port_parse(&instance->server, values->server) == -1)
        return error_set(error, "%s: server = %s: must be HOST[:PORT]", origin, values->server);
    if (instance->server.port == 0)
        instance->server.port = instance->server_port;
    return 0;
}

static int set_offers(struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = instance->values;

    (void)error; /* the words were checked one by one */
    instance->capabilities = ~0U;
    instance->mechanisms = ~0U;
    instance->clear_mechanisms = 0;
    if (values->capabilities != NULL)
        (void)conf_capability_mask(values->capabilities, &instance->capabilities);
    if (values->auth_mechanisms != NULL)
        (void)conf_mechanism_mask(values->auth_mechanisms, &instance->mechanisms);
    if (values->clear_auth_mechanisms != NULL)
        (void)conf_mechanism_mask(values->clear_auth_mechanisms, &instance->clear_mechanisms);
    else if (values->auth_mechanisms != NULL)
        instance->clear_mechanisms = instance->mechanisms;
    instance->clear_mechanisms &= instance->mechanisms;
    return 0;
}

static int set_proxies(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = instance->values;

    if (values->proxy_protocol == CONF_PROXY_NO || section->is_wrong[CONF_KEY_proxy_protocol_from])
        return 0;
    if (values->proxy_protocol_from == NULL)
        return error_set(error,
                         "%s: proxy_protocol needs proxy_protocol_from = the addresses of "
                         "the load balancers, such as 10.0.0.0/8",
                         conf_origin(section, CONF_KEY_proxy_protocol));
    if (conf_networks(values->proxy_protocol_from, &instance->proxies, &instance->proxy_count) ==
        -1)
        return error_set(error, "%s: out of memory", section->name);
    return 0;
}

static int set_sources(struct conf_instance *instance, struct error *error)
{
    const char *list = instance->values->source_addresses;

    if (list != NULL && conf_addresses(list, &instance->sources, &instance->source_count) == -1)
        return error_set(error, "%s: out of memory", instance->section.name);
    return 0;
}

static int set_exempt(struct conf_instance *instance, struct error *error)
{
    const char *list = instance->values->exempt_networks;

    if (list == NULL || conf_networks(list, &instance->exempt, &instance->exempt_count) == 0)
        return 0;
    return error_set(error, "%s: out of memory", instance->section.name);
}

/* ---- the whole ---- */

static int check_memory(struct conf_instance *instance, struct error *error)
{
    return instance->section.is_incomplete ? error_set(error, "out of memory") : 0;
}

static int set_socket_rights(struct conf_instance *instance, struct error *error)
{
    return conf_find_listen_rights(&instance->section, &instance->socket_rights, error);
}

typedef int instance_step(struct conf_instance *instance, struct error *error);

static int run_steps(struct conf_instance *instance, conf_report *report, void *context)
{
    static instance_step *const steps[] = {
        check_memory,     check_pool,      check_needs, check_chroot, set_proxies,
        set_exempt,       set_socket_rights, set_sources, set_server,  set_offers,   conf_allow_check,
        conf_allow_init,  conf_tls_init_clients,
        conf_tls_init_servers};
    struct error error;
    int result = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i](instance, &error) == 0)
            continue;
        report(context, error.text);
        result = -1;
    }
    return conf_allow_add_file(instance, report, context) == -1 ? -1 : result;
}

int conf_instance_build(struct conf_instance *instance, struct conf_section *section,
                        conf_report *report, void *context)
{
    *instance = (struct conf_instance){.section = *section};
    instance->values = &instance->section.values;
    *section = (struct conf_section){0};
    set_pool_defaults(&instance->section);
    set_limit_defaults(&instance->section);
    if (run_steps(instance, report, context) == 0)
        return 0;
    conf_instance_free(instance);
    return -1;
}

static void keep_first(void *context, const char *text)
{
    struct error *error = context;

    if (error->text[0] == '\0')
        error_set(error, "%s", text);
}

int conf_instance_init(struct conf_instance *instance, struct conf_section *section,
                       struct error *error)
{
    error->text[0] = '\0';
    return conf_instance_build(instance, section, keep_first, error);
}

void conf_instance_free(struct conf_instance *instance)
{
    host_list_free(instance->allowed);
    free(instance->proxies);
    free(instance->sources);
    free(instance->exempt);
    tls_context_free(instance->client_tls);
    tls_context_free(instance->server_tls);
    tls_context_free(instance->server_tls_any);
    conf_section_free(&instance->section);
    *instance = (struct conf_instance){0};
}

void conf_free(struct conf *conf)
{
    for (size_t i = 0; i < conf->count; i++)
        conf_instance_free(&conf->instances[i]);
    free(conf->instances);
    conf_groups_free(conf->groups);
    conf_section_free(&conf->proxy);
    *conf = (struct conf){0};
}
