/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `dovecot:PATH`: asks the auth service of a Dovecot over its auth-userdb socket, and so whatever
 * Dovecot's passdbs are: SQL, LDAP, Lua, a passwd-file. Only the fields are asked for; the password
 * is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route/route_dovecot.h"
#include "route/route_lanes.h"

extern const struct route_table_ops route_dovecot_table;

enum { LOCATION_SIZE = 256 };

struct dovecot_table {
    struct route_table table;
    struct route_lanes *lanes;
};

/* ---- the protocol ---- */

/* The login comes from a client and may hold no TAB and no line end: a control octet in it has been
 * refused long before. */
static size_t write_question(void *owner, const struct route_question *question, uint32_t id,
                             char *to, size_t size)
{
    int length = snprintf(to, size, "PASS\t%u\t%s\tservice=pop3%s%s%s\n", id, question->key,
                          question->client[0] == '\0' ? "" : "\trip=", question->client,
                          question->is_tls ? "\tsecured=tls" : "");

    (void)owner;
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

static ssize_t read_answer(void *owner, const char *data, size_t length, uint32_t id,
                           route_reply *reply, void *context, bool *is_done_r)
{
    const char *end = memchr(data, '\n', length);

    (void)owner;
    if (end == NULL)
        return ROUTE_LANE_MORE;
    switch (route_dovecot_take(data, (size_t)(end - data), id, reply, context)) {
    case ROUTE_DOVECOT_BROKEN:
        return ROUTE_LANE_BROKEN;
    case ROUTE_DOVECOT_ANSWER:
        *is_done_r = true;
        break;
    case ROUTE_DOVECOT_OTHER:
        break;
    }
    return end - data + 1;
}

static const struct route_protocol protocol = {
    .hello = "VERSION\t1\t1\n", .write_question = write_question, .read_answer = read_answer};

/* ---- as a table ---- */

static int parse_location(const char *location, struct route_place *place, struct error *error)
{
    char text[LOCATION_SIZE];

    snprintf(text, sizeof(text), "unix:%s", location);
    return route_place_parse(place, text, strlen(text), error);
}

static int check_dovecot(const char *location, struct error *error)
{
    struct route_place place;

    return parse_location(location, &place, error);
}

static void warn_dovecot(const char *location, route_warning *warn, void *context)
{
    struct route_place place;
    struct error error;

    if (parse_location(location, &place, &error) == 0 && !route_place_is_served(&place, &error))
        warn(context, error.text);
}

static struct route_table *open_dovecot(struct ev_loop *loop, const char *location,
                                        const struct route_environment *environment)
{
    struct dovecot_table *table = calloc(1, sizeof(*table));
    struct route_place place;
    struct error error;

    if (table == NULL)
        return NULL;
    table->table.ops = &route_dovecot_table;
    if (parse_location(location, &place, &error) == 0)
        table->lanes = route_lanes_new(loop, &protocol, &place, environment, table);
    if (table->lanes == NULL) {
        free(table);
        return NULL;
    }
    return &table->table;
}

static void ask_dovecot(struct route_table *table, const struct route_question *question,
                        route_reply *reply, void *context)
{
    route_lanes_ask(((struct dovecot_table *)table)->lanes, question, reply, context);
}

static void close_dovecot(struct route_table *table)
{
    route_lanes_free(((struct dovecot_table *)table)->lanes);
    free(table);
}

const struct route_table_ops route_dovecot_table = {
    .scheme = "dovecot",
    .check = check_dovecot,
    .warn = warn_dovecot,
    .open = open_dovecot,
    .ask = ask_dovecot,
    .close = close_dovecot,
};
