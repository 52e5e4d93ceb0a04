/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wildcard patterns.
 */
#include "base/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(all_short_patterns),
        cmocka_unit_test(no_explosion),
    };

    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
