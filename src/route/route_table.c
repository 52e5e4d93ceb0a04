/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all kinds of routing tables have in common. Every kind is one row of route_table.def.
 */
#include "route/route_table.h"

#include <stdio.h>
#include <string.h>

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
