/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts and numbers as JSON in ASCII.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static char got[256];

static const char *string_of(const char *text)
{
    FILE *out = fmemopen(got, sizeof(got), "w");

    assert_non_null(out);
    json_string(out, text);
    fclose(out);
    return got;
}

static void test_strings(void **state)
{
    static const char *const rows[][2] = {
        {"", "\"\""},
        {"joe", "\"joe\""},
        {"\"", "\"\\\"\""},
        {"a\\b\"", "\"a\\\\b\\\"\""},
        {"\r\n\x1b\x7f", "\"\\u000d\\u000a\\u001b\\u007f\""},
        {"j\xc3\xb6rg", "\"j\\u00f6rg\""},
        {"\xe2\x80\xae", "\"\\u202e\""},
        {"\xf0\x9f\x93\xac", "\"\\ud83d\\udcec\""},
        {"\xf4\x8f\xbf\xbf", "\"\\udbff\\udfff\""},
        {"a\xff", "\"a\\\\xff\""},
        {"\xc3", "\"\\\\xc3\""},
        {"\xed\xa0\x80", "\"\\\\xed\\\\xa0\\\\x80\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(string_of(rows[i][0]), rows[i][1]);
}

static void test_characters(void **state)
{
    char to[JSON_CHARACTER_MAX + 1];

    (void)state;
    *json_put_character(to, 0, '\0') = '\0';
    assert_string_equal(to, "\\u0000");
    *json_put_character(to, 0x1f4ec, '\xf0') = '\0';
    assert_string_equal(to, "\\ud83d\\udcec");
}

static void test_pairs(void **state)
{
    FILE *out = fmemopen(got, sizeof(got), "w");

    (void)state;
    assert_non_null(out);
    json_text(out, "a", "b\"");
    json_number(out, "c", UINT64_MAX);
    fclose(out);
    assert_string_equal(got, "\"a\":\"b\\\"\",\"c\":18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_pairs),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
