/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `regexp:PATH`: patterns tried in turn. The file is small, so it is read at once, and again when it
 * changes; if the new one is broken, the old content answers.
 */
#include <stdlib.h>

#include "config.h"
#include "route/route_regexp.h"
#include "route/route_watch.h"

extern const struct route_table_ops route_regexp_table;

#ifdef HAVE_PCRE2
struct regexp_table {
    struct route_table table;
    struct route_watch watch;
    struct route_regexp *rules; /* NULL: broken from the start, or gone */
};

static int try_regexp(const char *location, const struct route_environment *environment,
                      struct error *error)
{
    struct route_regexp *rules = route_regexp_load(location, NULL, NULL, error);

    (void)environment;
    if (rules == NULL)
        return -1;
    route_regexp_free(rules);
    return 0;
}

static void warn_regexp(const char *location, route_warning *warn, void *context)
{
    struct error error;

    route_regexp_free(route_regexp_load(location, warn, context, &error));
}

static void on_changed(void *owner)
{
    struct regexp_table *table = owner;
    struct error error;
    struct route_regexp *rules = route_regexp_load(table->watch.path, NULL, NULL, &error);

    if (rules == NULL) {
        route_watch_complain(&table->watch, error.text, table->rules != NULL);
        return;
    }
    route_regexp_free(table->rules);
    table->rules = rules;
}

static void on_gone(void *owner)
{
    struct regexp_table *table = owner;

    route_regexp_free(table->rules);
    table->rules = NULL;
}

static struct route_table *open_regexp(struct ev_loop *loop, const char *location,
                                       const struct route_environment *environment)
{
    struct regexp_table *table = calloc(1, sizeof(*table));

    (void)environment;
    if (table == NULL)
        return NULL;
    *table = (struct regexp_table){.table = {.ops = &route_regexp_table},
                                   .watch = {.changed = on_changed, .gone = on_gone}};
    route_watch_start(&table->watch, loop, location, table);
    on_changed(table);
    return &table->table;
}

static void ask_regexp(struct route_table *table, const struct route_question *question,
                       route_reply *reply, void *context)
{
    const struct regexp_table *own = (const struct regexp_table *)table;
    char value[ROUTE_VALUE_MAX];
    struct error error;
    size_t length;

    if (own->rules == NULL) {
        route_reply_failed(reply, context, own->watch.why);
        return;
    }
    switch (route_regexp_find(own->rules, question->key, value, &length, &error)) {
    case ROUTE_FOUND:
        route_reply_value(reply, context, value, length);
        break;
    case ROUTE_NOT_FOUND:
        route_reply_not_found(reply, context);
        break;
    default:
        route_reply_failed(reply, context, error.text);
    }
}

static void close_regexp(struct route_table *table)
{
    struct regexp_table *own = (struct regexp_table *)table;

    route_watch_stop(&own->watch);
    route_regexp_free(own->rules);
    free(own);
}
#endif

const struct route_table_ops route_regexp_table = {
    .scheme = "regexp",
    .check = route_check_path,
#ifdef HAVE_PCRE2
    .try = try_regexp,
    .warn = warn_regexp,
    .open = open_regexp,
    .ask = ask_regexp,
    .close = close_regexp,
#else
    .package = "libpcre2-dev",
#endif
};
