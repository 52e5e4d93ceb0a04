/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line of the log as a JSON object and as fields of the journal: what is escaped in the line,
 * what was cut off in any place, and that the longest result fits into the room that the header
 * promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/log_form.h"

enum { LINE_MAX_BYTES = 512, ROOM = LOG_FORM_GROWTH * LINE_MAX_BYTES + LOG_FORM_EXTRA_BYTES };

static char got[ROOM + 1];

static struct log_form form_of(const char *text, size_t length, uint64_t numbers)
{
    return (struct log_form){
        .text = text, .length = length, .numbers = numbers, .level = LOG_LEVEL_NOTICE, .pid = 42};
}

/* The pairs of the JSON object, after the head. */
static const char *json(const char *text, uint64_t numbers)
{
    static const char head[] = "{\"severity\":\"notice\",\"pid\":42";
    struct log_form form = form_of(text, strlen(text), numbers);

    got[log_form_json(got, &form)] = '\0';
    assert_memory_equal(got, head, strlen(head));
    return got + strlen(head);
}

static void test_json_values(void **state)
{
    static const struct {
        const char *line, *expect;
        uint64_t numbers;
    } rows[] = {
        {"", "}", 0},
        {"user=joe", ",\"user\":\"joe\"}", 0},
        {"user=42", ",\"user\":\"42\"}", 0}, /* a name */
        {"octets=42", ",\"octets\":42}", 1},
        {"event=x octets=42 port=7", ",\"event\":\"x\",\"octets\":42,\"port\":\"7\"}", 2},
        {"days=-1 duration=0.250", ",\"days\":-1,\"duration\":0.250}", 3},
        {"user=-", ",\"user\":null}", 0},
        {"text=\"-\"", ",\"text\":\"-\"}", 0}, /* in quotes it is a text */
        {"text=\"two words\" a=b", ",\"text\":\"two words\",\"a\":\"b\"}", 0},
        {"text=\"\" a=b", ",\"text\":\"\",\"a\":\"b\"}", 0},
        {"user=a=b", ",\"user\":\"a=b\"}", 0},
        {"Bad\"key=1", ",\"_ad_key\":\"1\"}", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(json(rows[i].line, rows[i].numbers), rows[i].expect);
}

static void test_json_characters(void **state)
{
    static const struct {
        const char *value, *expect;
    } rows[] = {
        {"\\x22\\x5c", "\\\"\\\\"},                               /* quote and backslash */
        {"\\x0d\\x0a\\x1b\\x7f", "\\u000d\\u000a\\u001b\\u007f"}, /* controls */
        {"m\\xc3\\xbcller", "m\\u00fcller"},
        {"\\xe2\\x80\\xae", "\\u202e"},             /* right to left */
        {"\\xf0\\x9f\\x93\\xac", "\\ud83d\\udcec"}, /* a pair of surrogates */
        {"\\xf4\\x8f\\xbf\\xbf", "\\udbff\\udfff"}, /* the last character */
        {"\\xff", "\\\\xff"},                       /* never in UTF-8 */
        {"\\xc0\\xaf", "\\\\xc0\\\\xaf"},           /* longer than needed */
        {"\\xe0\\x80\\xaf", "\\\\xe0\\\\x80\\\\xaf"},
        {"\\xed\\xa0\\x80", "\\\\xed\\\\xa0\\\\x80"},             /* half a pair */
        {"\\xf4\\x90\\x80\\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80"}, /* above the last */
        {"\\xc3(", "\\\\xc3("},
        {"\\xe2\\x82", "\\\\xe2\\\\x82"}, /* cut off */
        {"\\xg1\\x", "\\\\xg1\\\\x"},     /* no escape */
        {"\\x4", "\\\\x4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[128], expect[160];

        snprintf(line, sizeof(line), "user=%s", rows[i].value);
        snprintf(expect, sizeof(expect), ",\"user\":\"%s\"}", rows[i].expect);
        assert_string_equal(json(line, 0), expect);
    }
}

/* A number that was cut off before its digits, or that ends with the dot of its fraction, is a
 * text. */
static void test_json_of_a_cut_line(void **state)
{
    (void)state;
    assert_string_equal(json("octets=", 1), ",\"octets\":\"\"}");
    assert_string_equal(json("duration=1.", 1), ",\"duration\":\"1.\"}");
    assert_string_equal(json("days=-", 1), ",\"days\":null}");
    assert_string_equal(json("a=b oct", 0), ",\"a\":\"b\"}");
    assert_string_equal(json("text=\"two wo", 0), ",\"text\":\"two wo\"}");
}

static void test_time(void **state)
{
    struct log_form form = form_of("a=b", 3, 0);

    (void)state;
    form.time = "2026-11-29T04:03:02.001+01:00";
    got[log_form_json(got, &form)] = '\0';
    assert_string_equal(got, "{\"time\":\"2026-11-29T04:03:02.001+01:00\",\"severity\":\"notice\","
                             "\"pid\":42,\"a\":\"b\"}");
}

static void test_journal(void **state)
{
    static const char message[] = "event=login user=a\\x0ab";
    struct log_form form = form_of(message, strlen(message), 0);

    (void)state;
    got[log_form_journal(got, &form, 2, "pop3.proxy", message, strlen(message))] = '\0';
    assert_string_equal(got,
                        "PRIORITY=5\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=pop3.proxy\n"
                        "MESSAGE=event=login user=a\\x0ab\nPOP3_EVENT=login\nPOP3_USER=a\\x0ab\n");
}

static void test_count(void **state)
{
    static const char line[] = "event=a text=\"b=c d=e\" user=-";

    (void)state;
    assert_int_equal(log_form_count(line, strlen(line)), 3);
    assert_int_equal(log_form_count(line, strlen("event=a text=\"b=c")), 2);
    assert_int_equal(log_form_count("", 0), 0);
}

/* Lines that grow most: keys of one octet, controls, and octets that are not UTF-8. Canaries after
 * the room tell. */
static void test_room(void **state)
{
    static const char *const units[] = {"a=b ", "a= ", "=",       " =",    "\\x01", "\\xff",
                                        "\"",   "\\",  "a=\"\" ", "=\x01", "a=\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t step = strlen(units[i]), length = 0;
        char line[LINE_MAX_BYTES];

        for (; length + step <= sizeof(line); length += step)
            memcpy(line + length, units[i], step);
        for (size_t cut = 0; cut <= length; cut++) {
            struct log_form form = form_of(line, cut, UINT64_MAX);
            size_t room = LOG_FORM_GROWTH * cut + LOG_FORM_EXTRA_BYTES;
            char *to = malloc(room);

            assert_non_null(to);
            assert_true(log_form_json(to, &form) <= room);
            free(to);
            to = malloc(room + cut);
            assert_non_null(to);
            assert_true(log_form_journal(to, &form, 2, "pop3.proxy", line, cut) <= room + cut);
            free(to);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_json_characters),
        cmocka_unit_test(test_json_of_a_cut_line),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
