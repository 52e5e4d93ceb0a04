/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the replies of Dovecot's auth service: the input is what it sends. Besides memory
 * errors it checks that only an answer to this question is one, that it is answered once, with
 * nothing that no session may use, and that its fields survive being written as a line again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "route/route_dovecot.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

enum { ID = 1, LINE_SIZE = 4 * ROUTE_ANSWER_BYTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes every octet that may be escaped so. */
static size_t write_text(char *to, const char *text)
{
    size_t length = 0;

    for (; *text != '\0'; text++)
        length += (size_t)(*text == '\t' ? sprintf(to + length, "\001t")
                           : *text == 1  ? sprintf(to + length, "\0011")
                                         : sprintf(to + length, "%c", *text));
    return length;
}

/* A line of Dovecot names no group. */
static void write_again(const struct route_answer *answer)
{
    static struct answers_seen again;
    static char line[LINE_SIZE];
    size_t length = (size_t)sprintf(line, "PASS\t%d\tuser=x", ID);

    for (int field = 0; field < ROUTE_FIELD_COUNT; field++) {
        if (answer->fields[field] == NULL)
            continue;
        CHECK(field != ROUTE_FIELD_GROUP);
        length +=
            (size_t)sprintf(line + length, "\t%s=", route_field_word((enum route_field)field));
        length += write_text(line + length, answer->fields[field]);
    }
    again.count = 0;
    CHECK(route_dovecot_take(line, length, ID, answers_note, &again) == ROUTE_DOVECOT_ANSWER);
    answers_compare(answer, &again.answer);
}

/* Only these begin an answer to this question. */
static int is_about_us(const char *line, size_t length)
{
    static const char *const verbs[] = {"PASS\t", "NOTFOUND\t", "FAIL\t"};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        size_t verb = strlen(verbs[i]);
        size_t id = verb;

        if (length <= verb || memcmp(line, verbs[i], verb) != 0)
            continue;
        while (id < length && line[id] == '0')
            id++;
        return id < length && line[id] == '1' && (id + 1 == length || line[id + 1] == '\t');
    }
    return 0;
}

static void fuzz_line(const char *line, size_t length)
{
    static struct answers_seen seen;
    enum route_dovecot_line kind;

    seen.count = 0;
    kind = route_dovecot_take(line, length, ID, answers_note, &seen);
    CHECK(seen.count == (kind == ROUTE_DOVECOT_ANSWER));
    if (kind == ROUTE_DOVECOT_ANSWER)
        CHECK(is_about_us(line, length));
    if (kind == ROUTE_DOVECOT_BROKEN)
        CHECK(length >= 7 && memcmp(line, "VERSION", 7) == 0);
    if (seen.count == 1 &&
        (seen.answer.result == ROUTE_FOUND || seen.answer.result == ROUTE_REFUSED))
        write_again(&seen.answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    const char *end = at + size;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *to = line_end == NULL ? end : line_end;

        fuzz_line(at, (size_t)(to - at));
        at = line_end == NULL ? end : line_end + 1;
    }
    return 0;
}
