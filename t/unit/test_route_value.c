/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The value language of the routing tables: every part of it, what is malformed, and that a
 * malformed value never leaves half an answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "route/route_value.h"

/* A value and the fields it sets, as "word=text" lines; the target's group is "group". */
static const struct {
    const char *value;
    enum route_result result;
    const char *fields;
} good[] = {
    {"mail.example.net", ROUTE_FOUND, "host=mail.example.net\n"},
    {"  mail.example.net \t", ROUTE_FOUND, "host=mail.example.net\n"},
    {"mail.example.net:1110", ROUTE_FOUND, "host=mail.example.net\nport=1110\n"},
    {"anna@mail.example.net", ROUTE_FOUND, "host=mail.example.net\ndestuser=anna\n"},
    {"anna@home@mail:110", ROUTE_FOUND, "host=mail\nport=110\ndestuser=anna@home\n"},
    {"a=b@mail", ROUTE_FOUND, "host=mail\ndestuser=a=b\n"},
    {"[::1]:110", ROUTE_FOUND, "host=::1\nport=110\n"},
    {"::1", ROUTE_FOUND, "host=::1\n"},
    {"host=[::1] port=995", ROUTE_FOUND, "host=::1\nport=995\n"},
    {"group:stores", ROUTE_FOUND, "group=stores\n"},
    {"group:stores destuser=anna", ROUTE_FOUND, "group=stores\ndestuser=anna\n"},
    {"destuser=anna", ROUTE_FOUND, "destuser=anna\n"},
    {"host=a pass=\"a b\" master=root", ROUTE_FOUND, "host=a\npass=a b\nmaster=root\n"},
    {"a pass=\"\\\"\\\\x\\y\"", ROUTE_FOUND, "host=a\npass=\"\\x\\y\n"},
    {"a pass=\"\\\"", ROUTE_FAILED, ""},
    {"a pass=x=y", ROUTE_FOUND, "host=a\npass=x=y\n"},
    {"a ssl", ROUTE_FOUND, "host=a\nssl=\n"},
    {"a ssl=yes", ROUTE_FOUND, "host=a\nssl=yes\n"},
    {"a ssl=any-cert", ROUTE_FOUND, "host=a\nssl=any-cert\n"},
    {"a ssl=no starttls=yes", ROUTE_FOUND, "host=a\nstarttls=yes\n"},
    {"a source_ip=127.0.0.2", ROUTE_FOUND, "host=a\nsource_ip=127.0.0.2\n"},
    {"a delay_until=1700000000", ROUTE_FOUND, "host=a\ndelay_until=1700000000\n"},
    {"a proxy_mech=xoauth2 pass=T", ROUTE_FOUND, "host=a\npass=T\nproxy_mech=xoauth2\n"},
    {"proxy host=a nopassword user=x", ROUTE_FOUND, "host=a\n"},
    {"reject", ROUTE_REFUSED, ""},
    {"reject moved to  b", ROUTE_REFUSED, "reason=moved to  b\n"},
    {"reject a=b c", ROUTE_REFUSED, "reason=a=b c\n"},
    {"reject bad\r\n+OK", ROUTE_REFUSED, "reason=bad??+OK\n"},
    {"host=a nologin", ROUTE_REFUSED, "host=a\nnologin=\n"},
    {"host=a nologin=no", ROUTE_FOUND, "host=a\n"},
    {"nologin reason=\"come back later\"", ROUTE_REFUSED, "nologin=\nreason=come back later\n"},
};

static const char *const bad[] = {
    "",
    "   ",
    "@",
    "anna@",
    "@mail",
    "mail:0",
    "mail:65536",
    "mail:pop3",
    "mail:1:2",
    "-mail",
    "ma il",
    "mail other",
    "group:",
    "group:a host=b",
    "group:a port=1",
    "a host=b",
    "a:1 port=2",
    "host=a host=a",
    "host=a:110",
    "host=",
    "port=0",
    "destuser=",
    "a pass=\"open",
    "a pass=\"x\"y",
    "a pass=\"a\x01\"",
    "a destuser=a\rb",
    "a\x7f@mail",
    "a ssl=maybe",
    "a ssl starttls",
    "a proxy_mech=external",
    "a proxy_mech=cram-md5",
    "a source_ip=localhost",
    "a delay_until=-1",
    "a master=root",
    "a nologin=perhaps",
};

static void describe(const struct route_answer *answer, char text[1024])
{
    text[0] = '\0';
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++) {
        const char *word = i == ROUTE_FIELD_GROUP ? "group" : route_field_word(i);
        if (answer->fields[i] == NULL)
            continue;
        strcat(strcat(strcat(strcat(text, word), "="), answer->fields[i]), "\n");
    }
}

static void assert_is_failed(const struct route_answer *answer)
{
    assert_int_equal(answer->result, ROUTE_FAILED);
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++)
        assert_null(answer->fields[i]);
}

static void test_good_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct route_answer answer;
        struct error error = {.text = ""};
        char text[1024];
        int result = route_value_parse(&answer, good[i].value, strlen(good[i].value), &error);

        assert_int_equal(result, good[i].result == ROUTE_FAILED ? -1 : 0);
        assert_int_equal(answer.result, good[i].result);
        describe(&answer, text);
        assert_string_equal(text, good[i].fields);
    }
}

static void test_bad_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct route_answer answer;
        struct error error = {.text = ""};

        if (route_value_parse(&answer, bad[i], strlen(bad[i]), &error) != -1)
            fail_msg("taken: %s", bad[i]);
        assert_is_failed(&answer);
        assert_true(error.text[0] != '\0');
    }
}

static void test_nul_is_malformed(void **state)
{
    static const char value[] = "mail\0.example.net";
    struct route_answer answer;
    struct error error;

    (void)state;
    assert_int_equal(route_value_parse(&answer, value, sizeof(value) - 1, &error), -1);
    assert_is_failed(&answer);
}

static void test_long_values(void **state)
{
    static char value[ROUTE_VALUE_MAX + 2];
    struct route_answer answer;
    struct error error;

    (void)state;
    memset(value, 'x', sizeof(value));
    memcpy(value, "a pass=", 7);
    assert_int_equal(route_value_parse(&answer, value, ROUTE_VALUE_MAX, &error), 0);
    assert_int_equal(strlen(answer.fields[ROUTE_FIELD_PASSWORD]), ROUTE_VALUE_MAX - 7);
    assert_int_equal(route_value_parse(&answer, value, ROUTE_VALUE_MAX + 1, &error), -1);
    assert_is_failed(&answer);
}

static void test_unknown_field_is_named(void **state)
{
    static const char value[] = "mail weight=3 colour=red";
    struct route_answer answer;
    struct error error;

    (void)state;
    assert_int_equal(route_value_parse(&answer, value, strlen(value), &error), 0);
    assert_string_equal(answer.unknown, "weight");
    assert_string_equal(answer.fields[ROUTE_FIELD_HOST], "mail");
}

static void test_wipe_leaves_no_octet(void **state)
{
    static const char value[] = "a pass=secret-of-anna";
    struct route_answer answer = {.result = ROUTE_FOUND};
    struct error error;

    (void)state;
    assert_int_equal(route_value_parse(&answer, value, strlen(value), &error), 0);
    route_answer_wipe(&answer);
    assert_null(memmem(answer.memory, sizeof(answer.memory), "secret", 6));
    assert_is_failed(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_values),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_nul_is_malformed),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_unknown_field_is_named),
        cmocka_unit_test(test_wipe_leaves_no_octet),
    };

    return cmocka_run_group_tests_name("route value", tests, NULL, NULL);
}
