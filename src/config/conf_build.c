/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From sections to a configuration. A mistake in one instance hides no mistake in another: all are
 * collected.
 */
#include "config/conf_build.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "config/conf_group.h"
#include "config/conf_route.h"

/* ---- no two on one address ---- */

/* Whether the kernel would refuse the second of two listening addresses. Port 0 stands for a new
 * port each time. */
static bool is_overlapping(const char *a_text, const char *b_text)
{
    struct address a;
    struct address b;

    if (address_parse_listen(&a, a_text) == -1 || address_parse_listen(&b, b_text) == -1)
        return false;
    if (a.sa.sa_family != AF_UNIX && (address_port(&a) == 0 || address_port(&b) == 0))
        return false;
    return address_is_equal(&a, &b) || address_is_covered_by(&a, &b) ||
           address_is_covered_by(&b, &a);
}

static void check_pair(struct mistakes *mistakes, const struct conf_section *section,
                       const struct conf_section *earlier)
{
    const char *listen = section->values.listen;
    const char *other = earlier->values.listen;
    struct error error;

    if (listen == NULL || other == NULL || !is_overlapping(listen, other))
        return;
    error_set(&error,
              "%s: listen = %s: already used by instance %s (%s: listen = %s); give "
              "each an address and port of its own",
              conf_origin(section, CONF_KEY_listen), listen, earlier->name,
              conf_origin(earlier, CONF_KEY_listen), other);
    mistakes_take(mistakes, error.text);
}

static void check_metrics(struct mistakes *mistakes, const struct conf_section *proxy,
                          const struct conf_section *section)
{
    const char *metrics = proxy->values.metrics_listen;
    struct error error;

    if (metrics == NULL || section->values.listen == NULL ||
        !is_overlapping(metrics, section->values.listen))
        return;
    error_set(&error, "%s: metrics_listen = %s: already used by instance %s (%s); give it an "
              "address of its own",
              conf_origin(proxy, CONF_KEY_metrics_listen), metrics, section->name,
              conf_origin(section, CONF_KEY_listen));
    mistakes_take(mistakes, error.text);
}

static void check_control(struct mistakes *mistakes, const struct conf_section *proxy)
{
    const char *metrics = proxy->values.metrics_listen;
    struct error error;

    if (metrics == NULL || proxy->values.control == NULL ||
        strcmp(metrics, proxy->values.control) != 0)
        return;
    error_set(&error, "%s: metrics_listen = %s: already used by control (%s); choose another path",
              conf_origin(proxy, CONF_KEY_metrics_listen), metrics,
              conf_origin(proxy, CONF_KEY_control));
    mistakes_take(mistakes, error.text);
}

static void check_page(struct mistakes *mistakes, const struct conf_section *proxy)
{
    struct error error;

    if (proxy->values.status_page == 0 || proxy->values.metrics_listen != NULL)
        return;
    error_set(&error, "%s: status_page: needs metrics_listen, the address where it is served",
              conf_origin(proxy, CONF_KEY_status_page));
    mistakes_take(mistakes, error.text);
}

static void check_listens(const struct conf *conf, struct mistakes *mistakes)
{
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_section *section = &conf->instances[i].section;

        for (size_t j = 0; j < i; j++)
            check_pair(mistakes, section, &conf->instances[j].section);
        check_metrics(mistakes, &conf->proxy, section);
    }
}

/* ---- the parts ---- */

int conf_make_room(struct conf *conf, size_t count, struct mistakes *mistakes)
{
    conf->instances = calloc(count, sizeof(*conf->instances));
    if (conf->instances != NULL)
        return 0;
    mistakes->is_incomplete = true;
    return -1;
}

void conf_add_instance(struct conf *conf, struct conf_section *section, struct mistakes *mistakes)
{
    struct conf_instance *instance = &conf->instances[conf->count];
    struct conf_section kept;

    if (section->is_incomplete) {
        mistakes->is_incomplete = true;
        conf_section_free(section);
        return;
    }
    conf->count++;
    conf_section_init(&kept, section->name, section->section_origin);
    conf_inherit(&kept, section);
    if (conf_instance_build(instance, section, mistakes_take, mistakes) == 0)
        conf_section_free(&kept);
    else
        *instance = (struct conf_instance){.section = kept, .values = &instance->section.values};
    conf_group_attach(instance, conf->groups, mistakes);
}

void conf_check_whole(struct conf *conf, struct mistakes *mistakes)
{
    struct error error;

    check_listens(conf, mistakes);
    check_control(mistakes, &conf->proxy);
    check_page(mistakes, &conf->proxy);
    for (size_t i = 0; i < conf->count; i++)
        conf_route_try(&conf->instances[i], mistakes_take, mistakes);
    mistakes->is_incomplete |= conf->proxy.is_incomplete;
    if (conf_find_metrics_rights(&conf->proxy, &conf->metrics_rights, &error) == -1)
        mistakes_take(mistakes, error.text);
    if (conf_find_user(&conf->proxy, &conf->uid, &conf->gid, &error) == -1)
        mistakes_take(mistakes, error.text);
}

/* ---- without a file ---- */

/* `listen` is NULL for the one session of a superserver. */
static void add_from_section(struct mistakes *mistakes, struct conf *conf, const char *listen)
{
    struct conf_section own;
    struct error error;

    conf_section_init(&own, listen != NULL ? listen : "session", "command line");
    if (listen != NULL && conf_set(&own, CONF_KEY_listen, listen, "-b", &error) == -1)
        mistakes_take(mistakes, error.text);
    conf_inherit(&own, &conf->proxy);
    conf_add_instance(conf, &own, mistakes);
}

int conf_from_section(struct conf *conf, struct conf_section *section, char *const *listens,
                      size_t listen_count, conf_report *report, void *context)
{
    struct mistakes mistakes = {0};

    *conf = (struct conf){.proxy = *section};
    *section = (struct conf_section){0};
    if (conf_make_room(conf, listen_count + 1, &mistakes) == 0) {
        for (size_t i = 0; i < listen_count; i++)
            add_from_section(&mistakes, conf, listens[i]);
        if (listen_count == 0)
            add_from_section(&mistakes, conf, NULL);
    }
    conf_check_whole(conf, &mistakes);
    if (mistakes_tell(&mistakes, report, context) == 0)
        return 0;
    conf_free(conf);
    return -1;
}
