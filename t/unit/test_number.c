/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers as text, up to the largest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"

static const struct {
    uint64_t value;
    const char *decimal;
    const char *hexadecimal;
} numbers[] = {
    {0, "0", "0"},
    {1, "1", "1"},
    {9, "9", "9"},
    {10, "10", "a"},
    {255, "255", "ff"},
    {256, "256", "100"},
    {UINT32_MAX, "4294967295", "ffffffff"},
    {UINT64_MAX, "18446744073709551615", "ffffffffffffffff"},
};

static void check(size_t (*put)(char *, uint64_t), uint64_t value, const char *expected)
{
    char text[NUMBER_TEXT_MAX + 1];
    size_t length;

    memset(text, '#', sizeof(text));
    length = put(text, value);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(text, expected, length);
    assert_int_equal(text[length], '#');
}

static void test_decimal(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        check(number_put, numbers[i].value, numbers[i].decimal);
}

static void test_hexadecimal(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        check(number_put_hex, numbers[i].value, numbers[i].hexadecimal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimal),
        cmocka_unit_test(test_hexadecimal),
    };

    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
