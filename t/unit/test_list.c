/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists in texts: entries between commas, words between separators.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

/* All entries, each in brackets. */
static const char *walk(const char *list, const char *separators)
{
    static char text[256];
    struct list_entry entry;

    text[0] = '\0';
    while (separators == NULL ? list_next(&list, &entry)
                              : list_next_word(&list, separators, &entry)) {
        strcat(text, "[");
        strncat(text, entry.text, entry.length);
        strcat(text, "]");
    }
    return text;
}

static void test_entries(void **state)
{
    (void)state;
    assert_string_equal(walk("a,b", NULL), "[a][b]");
    assert_string_equal(walk(" a b\t, \tc ", NULL), "[a b][c]");
    assert_string_equal(walk("a,,b,", NULL), "[a][][b][]");
    assert_string_equal(walk("", NULL), "[]");
    assert_string_equal(walk(" , ", NULL), "[][]");
    assert_string_equal(walk(NULL, NULL), "");
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(walk("a,b c\td", ", \t"), "[a][b][c][d]");
    assert_string_equal(walk(",, a  ,b ,", ", \t"), "[a][b]");
    assert_string_equal(walk("", ", \t"), "");
    assert_string_equal(walk(" , ", ", \t"), "");
    assert_string_equal(walk("a:b c", ":"), "[a][b c]");
}

static void test_length(void **state)
{
    (void)state;
    assert_int_equal(list_length(NULL), 0);
    assert_int_equal(list_length("a"), 1);
    assert_int_equal(list_length("a, b,"), 3);
}

static void test_copy(void **state)
{
    struct list_entry entry = {.text = "abcd,", .length = 4};
    char text[5];

    (void)state;
    assert_true(list_copy(text, 5, &entry));
    assert_string_equal(text, "abcd");
    assert_false(list_copy(text, 4, &entry));
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
