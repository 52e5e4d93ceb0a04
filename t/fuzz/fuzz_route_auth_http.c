/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for auth_http: the input is a response, three digits of status and then header lines;
 * and each line is a login that goes into a request. Besides memory errors it checks that only
 * "Auth-Status: OK" with a server leads to one, that nothing stays in memory, and that an escaped
 * login is graphic and can be read back.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answers.h"
#include "route/route_auth_http.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

enum { STATUS_DIGITS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_blank(char octet)
{
    return octet == ' ' || octet == '\t';
}

/* Is the line this header with this value, NULL for any? */
static int is_header(const char *line, size_t length, const char *name, const char *value)
{
    size_t named = strlen(name);

    if (length <= named || strncasecmp(line, name, named) != 0 || line[named] != ':')
        return 0;
    if (value == NULL)
        return 1;
    for (line += named + 1, length -= named + 1; length > 0 && is_blank(*line); length--)
        line++;
    while (length > 0 &&
           (is_blank(line[length - 1]) || line[length - 1] == '\r' || line[length - 1] == '\n'))
        length--;
    return length == strlen(value) && memcmp(line, value, length) == 0;
}

static void unescape(const char *text, char *plain)
{
    for (; *text != '\0'; text++) {
        char digits[3] = {text[0] == '%' ? text[1] : '\0', '\0', '\0'};

        CHECK(isgraph((unsigned char)*text));
        if (*text != '%') {
            *plain++ = *text;
            continue;
        }
        digits[1] = text[2];
        CHECK(isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1]));
        *plain++ = (char)strtol(digits, NULL, 16);
        text += 2;
    }
    *plain = '\0';
}

static void fuzz_escape(const char *line, size_t length)
{
    char *text = strndup(line, length);
    char escaped[ROUTE_HTTP_HEADER_MAX];
    char plain[ROUTE_HTTP_HEADER_MAX];

    CHECK(text != NULL);
    if (route_http_escape(text, escaped, sizeof(escaped))) {
        unescape(escaped, plain);
        CHECK(strcmp(plain, text) == 0);
    } else {
        CHECK(strlen(text) > (sizeof(escaped) - 4) / 3);
    }
    free(text);
}

/* Takes all header lines. Returns whether there is "Auth-Status: OK", and an Auth-Server. */
static int take_lines(struct route_http_answer *http, const char *at, const char *end)
{
    int is_ok = 0;
    int has_server = 0;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((line_end == NULL ? end : line_end + 1) - at);

        fuzz_escape(at, length);
        is_ok |= is_header(at, length, "Auth-Status", "OK");
        has_server |= is_header(at, length, "Auth-Server", NULL);
        route_http_take_header(http, at, length);
        at += length;
    }
    return is_ok && has_server;
}

static void check_wiped(const struct route_http_answer *http)
{
    for (size_t i = 0; i < sizeof(http->status); i++)
        CHECK(http->status[i] == '\0');
    for (size_t i = 0; i < sizeof(http->fields.memory); i++)
        CHECK(http->fields.memory[i] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct route_http_answer http;
    static struct answers_seen seen;
    char digits[STATUS_DIGITS + 1] = "";
    long status;
    int may_be_found;

    if (size < STATUS_DIGITS)
        return 0;
    memcpy(digits, data, STATUS_DIGITS);
    status = strtol(digits, NULL, 10);
    memset(&http, 0, sizeof(http));
    seen.count = 0;
    route_http_begin(&http);
    may_be_found = take_lines(&http, (const char *)data + STATUS_DIGITS, (const char *)data + size);
    route_http_finish(&http, status, answers_note, &seen);
    CHECK(seen.count == 1);
    check_wiped(&http);
    if (seen.answer.result == ROUTE_FOUND)
        CHECK(may_be_found && status / 100 == 2 && seen.answer.fields[ROUTE_FIELD_HOST] != NULL);
    if (seen.answer.result == ROUTE_NOT_FOUND)
        CHECK(status == 404);
    return 0;
}
