/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UTF-8: what is a character, which ones people may see, how names are cleaned and cut, and how wide
 * they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

#define DOTS "\xe2\x80\xa6"

static void test_decode(void **state)
{
    static const struct {
        const char *text;
        unsigned character;
        size_t taken;
    } rows[] = {
        {"a", 'a', 1},
        {"\xc3\xb6", 0xf6, 2},
        {"\xe2\x82\xac", 0x20ac, 3},
        {"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
        {"\x80", 0, 1},             /* begins none */
        {"\xc0\xaf", 0, 1},         /* longer than needed */
        {"\xe0\x80\xaf", 0, 1},
        {"\xed\xa0\x80", 0, 1},     /* half a pair of surrogates */
        {"\xf4\x90\x80\x80", 0, 1}, /* above the last */
        {"\xff", 0, 1},
        {"\xc3(", 0, 1},
        {"\xe2\x82", 0, 1}, /* breaks off */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t taken;

        assert_int_equal(utf8_decode(rows[i].text, strlen(rows[i].text), &taken), rows[i].character);
        assert_int_equal(taken, rows[i].taken);
    }
}

static void test_visible(void **state)
{
    static const unsigned seen[] = {' ', '<', '~', 0xa1, 0xf6, 0x5d0, 0x627, 0x4e2d, 0xe000, 0x1f4ec};
    static const unsigned hidden[] = {0,      '\n',   0x1b,   0x7f,   0x85,   0x9b,   0xa0,
                                      0xad,   0x61c,  0x200b, 0x200d, 0x200e, 0x200f, 0x2028,
                                      0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0x3164, 0xfe0f,
                                      0xfeff, 0xfffe, 0xe0041};

    (void)state;
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
        if (!utf8_is_visible(seen[i]))
            fail_msg("U+%04X is hidden", seen[i]);
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (utf8_is_visible(hidden[i]))
            fail_msg("U+%04X is visible", hidden[i]);
}

/* Names as they come, and as they are shown in 12 octets. */
static const struct {
    const char *from, *to;
} names[] = {
    {"", ""},
    {"joe", "joe"},
    {"j\xc3\xb6rg\xc3\xa9", "j\xc3\xb6rg\xc3\xa9"},
    {"<b>", "<b>"},
    {" a b ", " a b "},
    {"a\r\n\x1b[2J\x7f", "a???[2J?"},
    {"a\xc2\x9bm", "a?m"},           /* CSI of C1 */
    {"a\xe2\x80\xae" "b", "a?b"},    /* right to left from here on */
    {"\xe2\x80\x8b", "?"},           /* no width */
    {"\xff\xc3_\xe2\x82", "??_??"},  /* no UTF-8 */
    {"elevenbytes", "elevenbytes"},
    {"twelve bytes", "twelve b" DOTS},
    {"sevennn\xc3\xb6" "abc", "sevennn" DOTS},
    {"sixxxx\xc3\xb6" "abcd", "sixxxx\xc3\xb6" DOTS},
    {"sevennn\xe2\x82\xac" "b", "sevennn\xe2\x82\xac" "b"},
    {"sevennn\xe2\x82\xac" "bc", "sevennn" DOTS},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char to[13] = "############";

        utf8_copy_name(to, 12, names[i].from);
        assert_string_equal(to, names[i].to);
        assert_int_equal(to[12], '\0');
    }
}

/* A clean name stays as it is, and so does one in its own place. */
static void test_names_in_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[64], again[64];

        strcpy(text, names[i].from);
        utf8_copy_name(text, sizeof(text), text);
        utf8_copy_name(again, sizeof(again), text);
        assert_string_equal(again, text);
        strcpy(again, names[i].to);
        utf8_copy_name(again, sizeof(again), again);
        assert_string_equal(again, names[i].to);
    }
}

static void test_clean(void **state)
{
    char text[] = "a\n\xe2\x80\xae\xc3\xb6\xff";
    char line[] = "a\n\xe2\x80\xae\xc3\xb6\xff";

    (void)state;
    utf8_clean(text, strlen(text));
    assert_string_equal(text, "a\n???\xc3\xb6?");
    utf8_clean_line(line, strlen(line));
    assert_string_equal(line, "a????\xc3\xb6?");
}

static void test_whole(void **state)
{
    static const struct {
        const char *text;
        size_t whole;
    } rows[] = {
        {"", 0},
        {"abcd", 4},
        {"ab\xc3", 2},
        {"ab\xc3\xb6", 4},
        {"a\xe2\x82", 1},
        {"a\xf0\x9f\x93", 1},
        {"a\xf0\x9f\x93\xac", 5},
        {"abc\xff", 4},     /* begins no character */
        {"abc\x82\x82", 5},
        {"\xc3\xc3", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(utf8_whole(rows[i].text, strlen(rows[i].text)), rows[i].whole);
}

static void test_columns(void **state)
{
    static const char wide[] = "\xe4\xb8\xad\xe6\x96\x87";
    static const char accent[] = "jo\xcc\x88rg";

    (void)state;
    assert_int_equal(utf8_columns("", 0), 0);
    assert_int_equal(utf8_columns("j\xc3\xb6rg", 5), 4);
    assert_int_equal(utf8_columns(wide, strlen(wide)), 4);
    assert_int_equal(utf8_columns(accent, strlen(accent)), 4);
    assert_int_equal(utf8_fit("joe", 3, 80), 3);
    assert_int_equal(utf8_fit("j\xc3\xb6rg", 5, 2), 3);
    assert_int_equal(utf8_fit(wide, strlen(wide), 3), 3);
    assert_int_equal(utf8_fit(accent, strlen(accent), 2), 4);
    assert_int_equal(utf8_fit("joe", 3, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_visible),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_in_place),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_columns),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
