/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all kinds of routing tables have in common. Every kind is one row of route_table.def.
 */
#include "route/route_table.h"

#include <stdio.h>
#include <string.h>

#include "route/route_value.h"

#define ROUTE_TABLE(name) extern const struct route_table_ops route_##name##_table;
#include "route/route_table.def"
#undef ROUTE_TABLE

static const struct route_table_ops *const kinds[] = {
#define ROUTE_TABLE(name) &route_##name##_table,
#include "route/route_table.def"
#undef ROUTE_TABLE
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const struct route_table_ops *route_table_find(const char *text, const char **location_r)
{
    const char *colon = strchr(text, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - text);

    for (size_t i = 0; i < KINDS && length > 0; i++) {
        if (strlen(kinds[i]->scheme) != length || memcmp(kinds[i]->scheme, text, length) != 0)
            continue;
        *location_r = colon + 1;
        return kinds[i];
    }
    return NULL;
}

const char *route_table_schemes(void)
{
    static char text[128];
    size_t length = 0;

    for (size_t i = 0; i < KINDS; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s:",
                                   i == 0 ? "" : ", ", kinds[i]->scheme);
    return text;
}

void route_reply_failed(route_reply *reply, void *context, const char *why)
{
    struct route_answer answer;

    route_answer_init(&answer, ROUTE_FAILED);
    reply(context, &answer, why);
}

void route_reply_not_found(route_reply *reply, void *context)
{
    struct route_answer answer;

    route_answer_init(&answer, ROUTE_NOT_FOUND);
    reply(context, &answer, "");
}

void route_reply_value(route_reply *reply, void *context, const char *value, size_t length)
{
    struct route_answer answer;
    struct error error = {.text = ""};

    (void)route_value_parse(&answer, value, length, &error);
    reply(context, &answer, error.text);
    route_answer_wipe(&answer);
}

int route_check_path(const char *location, struct error *error)
{
    if (location[0] != '/')
        return error_set(error, "expected an absolute path after the colon");
    return 0;
}
