/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes: published values of FNV-1a, and how evenly they fill a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"

enum { BUCKETS = 256, KEYS = 256 * 64 };

static void test_values(void **state)
{
    (void)state;
    assert_true(hash_text("") == UINT64_C(0xcbf29ce484222325));
    assert_true(hash_text("a") == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_text("foobar") == UINT64_C(0x85944171f73967e8));
}

static void test_case(void **state)
{
    (void)state;
    assert_true(hash_text_nocase("FooBar") == hash_text("foobar"));
    assert_true(hash_text_nocase("foo[") != hash_text_nocase("foo{"));
    assert_true(hash_text("FooBar") != hash_text("foobar"));
}

static void check_even(const unsigned *counts)
{
    for (int i = 0; i < BUCKETS; i++)
        assert_in_range(counts[i], KEYS / BUCKETS / 4, KEYS / BUCKETS * 2);
}

static void test_spread(void **state)
{
    unsigned texts[BUCKETS] = {0};
    unsigned numbers[BUCKETS] = {0};

    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        char text[32];

        snprintf(text, sizeof(text), "user%u@example.org", i);
        texts[hash_text(text) % BUCKETS]++;
        numbers[hash_number(i) >> 56]++;
    }
    check_even(texts);
    check_even(numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_spread),
    };

    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
