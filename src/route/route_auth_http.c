/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nginx's auth_http protocol. Auth-Status decides: "OK" names the server, anything else is the text of
 * a refusal. A response that lacks what it needs is a failure, never "not found".
 */
#include "route/route_auth_http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/octet.h"
#include "route/route_value.h"

static const struct {
    const char *header;
    const char *field; /* the name in a value */
} headers[] = {
    {"Auth-Port", "port"},
    {"Auth-User", "destuser"},
    {"Auth-Pass", "pass"},
};

bool route_http_escape(const char *text, char *to, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;

    for (; *text != '\0'; text++) {
        unsigned char octet = (unsigned char)*text;

        if (size - length < 4)
            return false;
        if (octet_is_graphic(*text) && *text != '%') {
            to[length++] = *text;
            continue;
        }
        to[length++] = '%';
        to[length++] = digits[octet >> 4];
        to[length++] = digits[octet & 15];
    }
    to[length] = '\0';
    return true;
}

void route_http_begin(struct route_http_answer *answer)
{
    answer->has_status = answer->has_server = answer->is_malformed = false;
    answer->status[0] = '\0';
    route_answer_init(&answer->fields, ROUTE_FOUND);
}

/* Splits "Name: value" in place of a copy. */
static bool split(const char *line, size_t length, size_t *name_r, const char **value_r,
                  size_t *value_length_r)
{
    const char *colon = memchr(line, ':', length);
    const char *end = line + length;
    const char *value;

    if (colon == NULL)
        return false;
    while (end > colon + 1 && (octet_is_blank(end[-1]) || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    value = colon + 1;
    while (value < end && octet_is_blank(*value))
        value++;
    *name_r = (size_t)(colon - line);
    *value_r = value;
    *value_length_r = (size_t)(end - value);
    return true;
}

static bool is_header(const char *line, size_t length, const char *name)
{
    return strlen(name) == length && strncasecmp(line, name, length) == 0;
}

static void take_status(struct route_http_answer *answer, const char *value, size_t length)
{
    answer->is_malformed |= answer->has_status || length >= sizeof(answer->status) ||
                            memchr(value, '\0', length) != NULL;
    answer->has_status = true;
    if (answer->is_malformed)
        return;
    memcpy(answer->status, value, length);
    answer->status[length] = '\0';
}

void route_http_take_header(struct route_http_answer *answer, const char *line, size_t length)
{
    const char *value;
    size_t name;
    size_t value_length;
    struct error error;

    if (answer->is_malformed || !split(line, length, &name, &value, &value_length))
        return;
    if (is_header(line, name, "Auth-Status")) {
        take_status(answer, value, value_length);
    } else if (is_header(line, name, "Auth-Server")) {
        answer->is_malformed |=
            route_value_take_field(&answer->fields, "host", 4, value, value_length, &error) == -1;
        answer->has_server = true;
    }
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (is_header(line, name, headers[i].header))
            answer->is_malformed |=
                route_value_take_field(&answer->fields, headers[i].field,
                                       strlen(headers[i].field), value, value_length,
                                       &error) == -1;
}

static void reply_refused(const struct route_http_answer *http, route_reply *reply, void *context)
{
    struct route_answer answer;

    route_answer_init(&answer, ROUTE_REFUSED);
    (void)route_answer_set_text(&answer, ROUTE_FIELD_REASON, http->status, strlen(http->status));
    reply(context, &answer, "");
    route_answer_wipe(&answer);
}

static void reply_status(long status, route_reply *reply, void *context)
{
    char why[64];

    snprintf(why, sizeof(why), "the server answers with the HTTP status %ld", status);
    route_reply_failed(reply, context, why);
}

void route_http_finish(struct route_http_answer *answer, long http_status, route_reply *reply,
                       void *context)
{
    bool is_ok = strcmp(answer->status, "OK") == 0;

    if (http_status == 404)
        route_reply_not_found(reply, context);
    else if (http_status < 200 || http_status > 299)
        reply_status(http_status, reply, context);
    else if (answer->is_malformed)
        route_reply_failed(reply, context, "a header of the answer is malformed");
    else if (!answer->has_status)
        route_reply_failed(reply, context, "the answer has no Auth-Status");
    else if (!is_ok)
        reply_refused(answer, reply, context);
    else if (!answer->has_server)
        route_reply_failed(reply, context, "the answer has no Auth-Server");
    else
        reply(context, &answer->fields, "");
    explicit_bzero(answer->status, sizeof(answer->status));
    route_answer_wipe(&answer->fields);
}
