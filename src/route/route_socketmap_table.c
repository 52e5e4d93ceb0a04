/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `socketmap:unix:PATH:NAME` and `socketmap:inet:HOST:PORT:NAME`: the protocol by which sendmail and
 * Postfix ask a server. A question is the netstring "NAME key", an answer the netstring "OK value",
 * "NOTFOUND ", or "TEMP", "TIMEOUT" or "PERM" and a reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route/route_lanes.h"
#include "route/route_socketmap.h"

extern const struct route_table_ops route_socketmap_table;

struct socketmap_table {
    struct route_table table;
    const char *name; /* of the map, sent with every question */
    struct route_lanes *lanes;
};

/* ---- the protocol ---- */

static size_t write_question(void *owner, const struct route_question *question, uint32_t id,
                             char *to, size_t size)
{
    const struct socketmap_table *table = owner;
    int length = snprintf(to, size, "%zu:%s %s,", strlen(table->name) + 1 + strlen(question->key),
                          table->name, question->key);

    (void)id;
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

static ssize_t read_answer(void *owner, const char *data, size_t length, uint32_t id,
                           route_reply *reply, void *context, bool *is_done_r)
{
    const char *text;
    size_t text_length;
    ssize_t taken = route_netstring_read(data, length, &text, &text_length);

    (void)owner;
    (void)id;
    if (taken <= 0)
        return taken;
    *is_done_r = true;
    route_socketmap_answer(text, text_length, reply, context);
    return taken;
}

static const struct route_protocol protocol = {.write_question = write_question,
                                               .read_answer = read_answer};

/* ---- as a table ---- */

/* The name of the map follows the last colon. */
static int parse_location(const char *location, struct route_place *place, const char **name_r,
                          struct error *error)
{
    const char *colon = strrchr(location, ':');

    if (colon == NULL || colon[1] == '\0' || strchr(colon, ' ') != NULL)
        return error_set(error, "expected unix:PATH:NAME or inet:HOST:PORT:NAME");
    *name_r = colon + 1;
    return route_place_parse(place, location, (size_t)(colon - location), error);
}

static int check_socketmap(const char *location, struct error *error)
{
    struct route_place place;
    const char *name;

    return parse_location(location, &place, &name, error);
}

static void warn_socketmap(const char *location, route_warning *warn, void *context)
{
    struct route_place place;
    const char *name;
    struct error error;

    if (parse_location(location, &place, &name, &error) == 0 && !route_place_is_served(&place, &error))
        warn(context, error.text);
}

static struct route_table *open_socketmap(struct ev_loop *loop, const char *location,
                                          const struct route_environment *environment)
{
    struct socketmap_table *table = calloc(1, sizeof(*table));
    struct route_place place;
    struct error error;

    if (table == NULL)
        return NULL;
    table->table.ops = &route_socketmap_table;
    if (parse_location(location, &place, &table->name, &error) == 0)
        table->lanes = route_lanes_new(loop, &protocol, &place, environment, table);
    if (table->lanes == NULL) {
        free(table);
        return NULL;
    }
    return &table->table;
}

static void ask_socketmap(struct route_table *table, const struct route_question *question,
                          route_reply *reply, void *context)
{
    route_lanes_ask(((struct socketmap_table *)table)->lanes, question, reply, context);
}

static void close_socketmap(struct route_table *table)
{
    route_lanes_free(((struct socketmap_table *)table)->lanes);
    free(table);
}

const struct route_table_ops route_socketmap_table = {
    .scheme = "socketmap",
    .check = check_socketmap,
    .warn = warn_socketmap,
    .open = open_socketmap,
    .ask = ask_socketmap,
    .close = close_socketmap,
};
