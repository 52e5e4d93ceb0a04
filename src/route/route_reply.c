/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all kinds of routing tables use to reply.
 */
#include <string.h>

#include "route/route_table.h"
#include "route/route_value.h"

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
