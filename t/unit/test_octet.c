/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classes of octets, over all 256, and the texts that are checked and cleaned with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/octet.h"

static void test_classes(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        char octet = (char)i;

        assert_int_equal(octet_is_control(octet), i < 32 || i == 127);
        assert_int_equal(octet_is_printable(octet), i >= 32 && i <= 126);
        assert_int_equal(octet_is_graphic(octet), i >= 33 && i <= 126);
        assert_int_equal(octet_is_blank(octet), i == ' ' || i == '\t');
        assert_int_equal(octet_is_digit(octet), i >= '0' && i <= '9');
        assert_int_equal(octet_lower(octet), (char)(i >= 'A' && i <= 'Z' ? i + 32 : i));
    }
}

static void test_printable(void **state)
{
    (void)state;
    assert_true(octets_are_printable("", 0));
    assert_true(octets_are_printable(" ~\n", 2));
    assert_false(octets_are_printable(" ~\n", 3));
    assert_false(octets_are_printable("a\0b", 3));
    assert_false(octets_are_printable("\xc3\xa4", 2));
}

static void test_line(void **state)
{
    char text[] = "a b\r\n\tc\x7f\xc3\xa4\x1b[2J";

    (void)state;
    octets_make_line(text);
    assert_string_equal(text, "a b???c?\xc3\xa4?[2J");
}

static void test_word(void **state)
{
    char text[] = "a b\nc\xff~";
    char copy[6];

    (void)state;
    memset(copy, '#', sizeof(copy));
    octets_copy_word(copy, sizeof(copy) - 1, text);
    assert_string_equal(copy, "a?b?");
    assert_int_equal(copy[5], '#');
    octets_copy_word(copy, sizeof(copy), "");
    assert_string_equal(copy, "");
    octets_make_word(text);
    assert_string_equal(text, "a?b?c?~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_word),
    };

    return cmocka_run_group_tests_name("octet", tests, NULL, NULL);
}
