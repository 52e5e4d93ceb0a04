/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of answers, written without a look at how they are made.
 */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "route/route_value.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

enum { VALUE_SIZE = 4 * ROUTE_ANSWER_BYTES };

static int has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return 1;
    return 0;
}

/* Every octet of the memory belongs to a text: none has a NUL inside. */
static void check_memory(const struct route_answer *answer)
{
    size_t length = answer->unknown == NULL ? 0 : strlen(answer->unknown) + 1;

    for (int field = 0; field < ROUTE_FIELD_COUNT; field++) {
        const char *text = answer->fields[field];

        if (text == NULL)
            continue;
        CHECK(text >= answer->memory && text < answer->memory + answer->length);
        CHECK(!has_control(text));
        length += strlen(text) + 1;
    }
    CHECK(length == answer->length && length <= sizeof(answer->memory));
}

static void check_server(const struct route_answer *answer)
{
    const char *host = answer->fields[ROUTE_FIELD_HOST];
    const char *port = answer->fields[ROUTE_FIELD_PORT];
    struct host_port parsed;

    if (host != NULL)
        CHECK(host_port_parse(&parsed, host) == 0 && parsed.port == 0);
    if (port != NULL)
        CHECK(strspn(port, "0123456789") == strlen(port) && atol(port) >= 1 && atol(port) <= 65535);
    if (answer->fields[ROUTE_FIELD_GROUP] != NULL)
        CHECK(host == NULL && port == NULL);
}

void answers_check(const struct route_answer *answer)
{
    const char *const *fields = answer->fields;

    check_memory(answer);
    if (answer->result == ROUTE_FAILED || answer->result == ROUTE_NOT_FOUND)
        CHECK(answer->length == 0);
    check_server(answer);
    CHECK(fields[ROUTE_FIELD_SSL] == NULL || fields[ROUTE_FIELD_STARTTLS] == NULL);
    CHECK(fields[ROUTE_FIELD_MASTER] == NULL || fields[ROUTE_FIELD_PASSWORD] != NULL);
    CHECK(fields[ROUTE_FIELD_NOLOGIN] == NULL || answer->result == ROUTE_REFUSED);
    for (int field = ROUTE_FIELD_LOGIN; field <= ROUTE_FIELD_MASTER; field++)
        CHECK(fields[field] == NULL || fields[field][0] != '\0');
}

void answers_compare(const struct route_answer *a, const struct route_answer *b)
{
    CHECK(a->result == b->result);
    for (int field = 0; field < ROUTE_FIELD_COUNT; field++) {
        CHECK((a->fields[field] == NULL) == (b->fields[field] == NULL));
        if (a->fields[field] != NULL)
            CHECK(strcmp(a->fields[field], b->fields[field]) == 0);
    }
}

void answers_copy(struct route_answer *to, const struct route_answer *from)
{
    memcpy(to, from, sizeof(*to));
    for (int field = 0; field < ROUTE_FIELD_COUNT; field++)
        if (from->fields[field] != NULL)
            to->fields[field] = to->memory + (from->fields[field] - from->memory);
    if (from->unknown != NULL)
        to->unknown = to->memory + (from->unknown - from->memory);
}

/* `field="text"`, or `group:name`, which has no quotes. */
static size_t write_field(char *to, enum route_field field, const char *text)
{
    size_t length;

    if (field == ROUTE_FIELD_GROUP)
        return (size_t)sprintf(to, "group:%s ", text);
    length = (size_t)sprintf(to, "%s=\"", route_field_word(field));
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            to[length++] = '\\';
        to[length++] = *text;
    }
    return length + (size_t)sprintf(to + length, "\" ");
}

void answers_write_again(const struct route_answer *answer)
{
    static char value[VALUE_SIZE];
    struct route_answer again;
    struct error error;
    size_t length = 0;

    if (answer->fields[ROUTE_FIELD_GROUP] != NULL)
        length = write_field(value, ROUTE_FIELD_GROUP, answer->fields[ROUTE_FIELD_GROUP]);
    for (int field = 0; field < ROUTE_FIELD_COUNT; field++)
        if (field != ROUTE_FIELD_GROUP && answer->fields[field] != NULL)
            length += write_field(value + length, (enum route_field)field, answer->fields[field]);
    if (answer->result == ROUTE_REFUSED)
        length += (size_t)sprintf(value + length, "reject");
    if (length == 0 || length > ROUTE_VALUE_MAX)
        return;
    CHECK(route_value_parse(&again, value, length, &error) == 0);
    answers_compare(answer, &again);
    route_answer_wipe(&again);
}

void answers_note(void *context, struct route_answer *answer, const char *why)
{
    struct answers_seen *seen = context;

    seen->count++;
    answers_check(answer);
    CHECK((answer->result == ROUTE_FAILED) == (why[0] != '\0'));
    snprintf(seen->why, sizeof(seen->why), "%s", why);
    if (answer->result == ROUTE_FOUND || answer->result == ROUTE_REFUSED)
        answers_write_again(answer);
    answers_copy(&seen->answer, answer);
}
