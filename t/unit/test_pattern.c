/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wildcard patterns and lists of them.
 */
#include "base/pattern.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void patterns(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool is_match;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"a", "a", true},
        {"a", "b", false},
        {"a", "aa", false},
        {"aa", "a", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**", "", true},
        {"***", "a", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"??", "ab", true},
        {"?*", "", false},
        {"?*", "a", true},
        {"*?", "a", true},
        {"*?", "", false},
        {"*?*", "", false},
        {"a*", "a", true},
        {"a*", "ab", true},
        {"a*", "ba", false},
        {"*a", "a", true},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"*.example.net", "pop.example.net", true},
        {"*.example.net", "example.net", false},
        {"*.example.net", ".example.net", true},
        {"*.example.net", "a.b.example.net", true},
        {"*.example.net", "pop.example.net.evil", false},
        {"*.example.net", "pop.example.net:110", false},
        {"host", "host:110", false},
        {"host:*", "host:110", true},
        {"host:*", "host", false},
        {"host:*", "host:", true},
        {"host:1?0", "host:110", true},
        {"a*b*c", "abc", true},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "aXbY", false},
        {"a*b*c", "acbc", true},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "aab", false},
        {"*aab", "aaab", true},
        {"*aab*", "aaaab", true},
        {"a*?c", "abc", true},
        {"a*?c", "ac", false},
        {"HOST", "host", true},
        {"azAZ", "AZaz", true},
        {"host", "HoSt", true},
        {"*.EXAMPLE.net", "a.example.NET", true},
        {"[", "{", false},
        {"@", "`", false},
        {"\xc4", "\xe4", false},
        {"a.c", "abc", false},
        {"[a-c]", "b", false},
        {"\\*", "*", false},
        {"*", "*", true},
        {"?", "*", true},
        {"a", "*", false},
        {"a", "?", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (pattern_is_match(rows[i].pattern, rows[i].text) != rows[i].is_match)
            fail_msg("\"%s\" against \"%s\"", rows[i].pattern, rows[i].text);
}

/* A matcher that follows the definition, slow and plainly right. */
static bool is_match_by_definition(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return is_match_by_definition(pattern + 1, text) ||
               (*text != '\0' && is_match_by_definition(pattern, text + 1));
    return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
           is_match_by_definition(pattern + 1, text + 1);
}

/* The n-th text over `alphabet`, shortest first. */
static void nth_text(unsigned n, const char *alphabet, char text[16])
{
    size_t base = strlen(alphabet);
    size_t length = 0;

    for (; n > 0; n = (unsigned)((n - 1) / base))
        text[length++] = alphabet[(n - 1) % base];
    text[length] = '\0';
}

static void all_short_patterns(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 1365; p++) {
        char pattern[16];

        nth_text(p, "ab?*", pattern);
        for (unsigned t = 0; t < 127; t++) {
            char text[16];

            nth_text(t, "ab", text);
            if (pattern_is_match(pattern, text) != is_match_by_definition(pattern, text))
                fail_msg("\"%s\" against \"%s\"", pattern, text);
        }
    }
}

static void no_explosion(void **state)
{
    char pattern[401], text[4001];
    clock_t start = clock();

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(pattern); i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[sizeof(pattern) - 2] = 'b';
    pattern[sizeof(pattern) - 1] = '\0';
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(pattern_is_match(pattern, text));
    assert_true(clock() - start < CLOCKS_PER_SEC);
}

static struct pattern_list *new_list(void)
{
    struct pattern_list *list = pattern_list_new();

    assert_non_null(list);
    return list;
}

static void empty_list(void **state)
{
    struct pattern_list *list = new_list();

    (void)state;
    assert_false(pattern_list_is_match(list, ""));
    assert_false(pattern_list_is_match(list, "a"));
    pattern_list_free(list);
    pattern_list_free(NULL);
}

static void list_matches(void **state)
{
    struct pattern_list *list = new_list();

    (void)state;
    assert_int_equal(pattern_list_add(list, "Host"), 0);
    assert_int_equal(pattern_list_add(list, "other:1110"), 0);
    assert_int_equal(pattern_list_add(list, "*.Example.net"), 0);
    assert_int_equal(pattern_list_add(list, "any:*"), 0);
    assert_int_equal(pattern_list_add(list, "[::1]:110"), 0);
    assert_true(pattern_list_is_match(list, "hOST"));
    assert_false(pattern_list_is_match(list, "host:110"));
    assert_false(pattern_list_is_match(list, "hos"));
    assert_false(pattern_list_is_match(list, "hostx"));
    assert_true(pattern_list_is_match(list, "other:1110"));
    assert_false(pattern_list_is_match(list, "other"));
    assert_true(pattern_list_is_match(list, "A.EXAMPLE.NET"));
    assert_false(pattern_list_is_match(list, "a.example.net:110"));
    assert_true(pattern_list_is_match(list, "any:1"));
    assert_true(pattern_list_is_match(list, "[::1]:110"));
    assert_false(pattern_list_is_match(list, ""));
    /* The pattern itself as a text matches it; a text is never a pattern. */
    assert_true(pattern_list_is_match(list, "*.example.net"));
    assert_false(pattern_list_is_match(list, "*"));
    assert_false(pattern_list_is_match(list, "h?st"));
    pattern_list_free(list);
}

static void repeated_entries(void **state)
{
    struct pattern_list *list = new_list();

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pattern_list_add(list, i % 2 ? "host" : "HOST"), 0);
        assert_int_equal(pattern_list_add(list, i % 2 ? "*.net" : "*.NET"), 0);
    }
    assert_true(pattern_list_is_match(list, "host"));
    assert_true(pattern_list_is_match(list, "a.net"));
    pattern_list_free(list);
}

static void bad_entries(void **state)
{
    static const char *const rows[] = {"", " ", " a", "a ", "a b", "a\tb", "a\n", "\x01", "a\x7f"};
    struct pattern_list *list = new_list();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        errno = 0;
        if (pattern_list_add(list, rows[i]) != -1 || errno != EINVAL)
            fail_msg("taken: row %zu", i);
    }
    assert_int_equal(pattern_list_add(list, "h\xc3\xb6st"), 0);
    pattern_list_free(list);
}

static void csv(void **state)
{
    static const char *const bad[] = {"", " ", ",", "a,", ",a", "a,,b", "a, ,b", "a b", "a,b c"};
    struct pattern_list *list = new_list();

    (void)state;
    assert_int_equal(pattern_list_add_csv(list, "a"), 0);
    assert_int_equal(pattern_list_add_csv(list, " b ,\tc\t,*.d , e"), 0);
    assert_true(pattern_list_is_match(list, "b"));
    assert_true(pattern_list_is_match(list, "c"));
    assert_true(pattern_list_is_match(list, "x.d"));
    assert_true(pattern_list_is_match(list, "e"));
    assert_false(pattern_list_is_match(list, " b "));
    for (size_t i = 0; i < COUNT(bad); i++) {
        errno = 0;
        if (pattern_list_add_csv(list, bad[i]) != -1 || errno != EINVAL)
            fail_msg("taken: \"%s\"", bad[i]);
    }
    pattern_list_free(list);
}

/* Grows the table and the texts many times; a lookup must not slow down with the number. */
static void many_entries(void **state)
{
    enum { MANY = 100000 };
    struct pattern_list *list = new_list();
    char name[64];
    clock_t start = clock();

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "Host%d.example.net", i);
        assert_int_equal(pattern_list_add(list, name), 0);
    }
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "*.domain%d", i);
        assert_int_equal(pattern_list_add(list, name), 0);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "hosT%d.example.net", i);
        assert_true(pattern_list_is_match(list, name));
    }
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "a.domain%d", i);
        assert_true(pattern_list_is_match(list, name));
    }
    snprintf(name, sizeof(name), "host%d.example.net", MANY);
    assert_false(pattern_list_is_match(list, name));
    assert_true(clock() - start < 10 * (clock_t)CLOCKS_PER_SEC);
    pattern_list_free(list);
}

static void long_entry(void **state)
{
    static char text[5000];
    struct pattern_list *list = new_list();

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(pattern_list_add(list, text), 0);
    assert_int_equal(pattern_list_add(list, "short"), 0);
    assert_true(pattern_list_is_match(list, text));
    assert_true(pattern_list_is_match(list, "short"));
    text[sizeof(text) - 2] = '\0';
    assert_false(pattern_list_is_match(list, text));
    pattern_list_free(list);
}

/* Texts of every length near the sizes of the blocks that hold them. */
static void every_length(void **state)
{
    static char text[2200];

    (void)state;
    for (size_t n = 1; n < sizeof(text); n++) {
        struct pattern_list *list = new_list();

        memset(text, 'x', n);
        text[n] = '\0';
        assert_int_equal(pattern_list_add(list, text), 0);
        assert_int_equal(pattern_list_add(list, "y"), 0);
        assert_true(pattern_list_is_match(list, text));
        assert_true(pattern_list_is_match(list, "y"));
        pattern_list_free(list);
    }
}

static void fill_with_letters(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + (i * i * 7 + i / 3) % 26);
    text[n] = '\0';
}

/* Entries with a common beginning are sometimes neighbours in the table. */
static void prefixes(void **state)
{
    enum { LONGEST = 600 };
    struct pattern_list *list = new_list();
    char text[LONGEST + 2];

    (void)state;
    for (size_t n = 2; n <= LONGEST; n += 2) {
        fill_with_letters(text, n);
        assert_int_equal(pattern_list_add(list, text), 0);
    }
    for (size_t n = 1; n <= LONGEST + 1; n++) {
        fill_with_letters(text, n);
        assert_int_equal(pattern_list_is_match(list, text), n % 2 == 0);
    }
    pattern_list_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),     cmocka_unit_test(all_short_patterns),
        cmocka_unit_test(no_explosion), cmocka_unit_test(empty_list),
        cmocka_unit_test(list_matches), cmocka_unit_test(repeated_entries),
        cmocka_unit_test(bad_entries),  cmocka_unit_test(csv),
        cmocka_unit_test(many_entries), cmocka_unit_test(long_entry),
        cmocka_unit_test(every_length), cmocka_unit_test(prefixes),
    };

    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
