/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What servers that are tables answer: socketmap's netstrings and Dovecot's lines, whole, cut and
 * malformed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "route/route_dovecot.h"
#include "route/route_socketmap.h"

static char replied[1024]; /* "result host=... destuser=... pass=... reason=... (why)" */

static void note_reply(void *context, struct route_answer *answer, const char *why)
{
    static const enum route_field shown[] = {ROUTE_FIELD_HOST, ROUTE_FIELD_LOGIN,
                                             ROUTE_FIELD_PASSWORD, ROUTE_FIELD_REASON};
    int length = snprintf(replied, sizeof(replied), "%s", route_result_word(answer->result));

    (void)context;
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        if (answer->fields[shown[i]] != NULL)
            length += snprintf(replied + length, sizeof(replied) - (size_t)length, " %s=%s",
                               route_field_word(shown[i]), answer->fields[shown[i]]);
    if (why[0] != '\0')
        snprintf(replied + length, sizeof(replied) - (size_t)length, " (%s)", why);
}

static void test_netstrings(void **state)
{
    static const struct {
        const char *data;
        ssize_t taken;
    } cases[] = {
        {"", 0},          {"5", 0},       {"5:", 0},       {"5:hell", 0},     {"5:hello", 0},
        {"5:hello,", 8},  {"0:,", 3},     {"5:hello,x", 8}, {"5:hellox", -1}, {":x,", -1},
        {"x", -1},        {"-1:x,", -1},  {"05:hello,", -1}, {"5 :hello,", -1},
        {"8300:", -1},    {"99999999999999999999:", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *text;
        size_t length;
        ssize_t taken =
            route_netstring_read(cases[i].data, strlen(cases[i].data), &text, &length);

        if (taken != cases[i].taken)
            fail_msg("%s: %zd", cases[i].data, taken);
    }
}

static void test_socketmap_answers(void **state)
{
    static const struct {
        const char *text;
        const char *replied;
    } cases[] = {
        {"OK mail.example.net", "found host=mail.example.net"},
        {"OK a@mail:110 pass=x", "found host=mail destuser=a pass=x"},
        {"OK ", "failed (the value is empty)"},
        {"OK", "failed (the value is empty)"},
        {"OKmail", "failed (the table answers with an unknown word)"},
        {"NOTFOUND ", "not-found"},
        {"NOTFOUND", "not-found"},
        {"TEMP the database is down", "failed (the database is down)"},
        {"TIMEOUT ", "failed (the table fails for now)"},
        {"PERM account\nclosed", "refused reason=account?closed"},
        {"PERM ", "refused"},
        {"ok mail", "failed (the table answers with an unknown word)"},
        {"", "failed (the table answers with an unknown word)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        route_socketmap_answer(cases[i].text, strlen(cases[i].text), note_reply, NULL);
        assert_string_equal(replied, cases[i].replied);
    }
}

static void test_dovecot_lines(void **state)
{
    static const struct {
        const char *line;
        enum route_dovecot_line kind;
        const char *replied;
    } cases[] = {
        {"VERSION\t1\t2", ROUTE_DOVECOT_OTHER, ""},
        {"VERSION\t2\t0", ROUTE_DOVECOT_BROKEN, ""},
        {"VERSION", ROUTE_DOVECOT_BROKEN, ""},
        {"SPID\t7", ROUTE_DOVECOT_OTHER, ""},
        {"SPID\t123", ROUTE_DOVECOT_OTHER, ""},
        {"", ROUTE_DOVECOT_OTHER, ""},
        {"PASS\t7\tuser=anna\tproxy\thost=store\tdestuser=a", ROUTE_DOVECOT_ANSWER,
         "found host=store destuser=a"},
        {"PASS\t7", ROUTE_DOVECOT_ANSWER, "found"},
        {"PASS\t7\tuser=anna", ROUTE_DOVECOT_ANSWER, "found"},
        {"PASS\t7\thost=store\tpass=a\001tb\0011", ROUTE_DOVECOT_ANSWER,
         "failed (pass: malformed value)"},
        {"PASS\t7\thost=store\tpass=a b\"\\", ROUTE_DOVECOT_ANSWER,
         "found host=store pass=a b\"\\"},
        {"PASS\t7\tnologin\treason=come\001nback", ROUTE_DOVECOT_ANSWER,
         "refused reason=come?back"},
        {"PASS\t7\thost=st\001ore", ROUTE_DOVECOT_ANSWER, "failed (malformed field)"},
        {"PASS\t7\thost=store\001", ROUTE_DOVECOT_ANSWER, "failed (malformed field)"},
        {"PASS\t7\thost=a\thost=b", ROUTE_DOVECOT_ANSWER, "failed (host is said twice)"},
        {"PASS\t8\thost=store", ROUTE_DOVECOT_OTHER, ""},
        {"PASS\t70\thost=store", ROUTE_DOVECOT_OTHER, ""},
        {"PASS\t4294967303\thost=store", ROUTE_DOVECOT_OTHER, ""},
        {"PASS\t\thost=store", ROUTE_DOVECOT_OTHER, ""},
        {"NOTFOUND\t7", ROUTE_DOVECOT_ANSWER, "not-found"},
        {"NOTFOUND\t7\tuser=anna", ROUTE_DOVECOT_ANSWER, "not-found"},
        {"FAIL\t7\ttemp", ROUTE_DOVECOT_ANSWER,
         "failed (Dovecot's authentication service reports a failure)"},
        {"OK\t7", ROUTE_DOVECOT_OTHER, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        replied[0] = '\0';
        assert_int_equal(
            route_dovecot_take(cases[i].line, strlen(cases[i].line), 7, note_reply, NULL),
            cases[i].kind);
        assert_string_equal(replied, cases[i].replied);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_netstrings),
        cmocka_unit_test(test_socketmap_answers),
        cmocka_unit_test(test_dovecot_lines),
    };

    return cmocka_run_group_tests_name("route answers", tests, NULL, NULL);
}
