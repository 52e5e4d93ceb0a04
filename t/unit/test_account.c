/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an address has used: limits, failed logins and how they are forgiven, and many processes
 * that count in the same table. Includes the module, to see what is left in its table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/pool/account.c"

enum { KEY = 77, ALL_DONE = 0 };

static int make_table(void **state)
{
    return (*state = account_table_new()) == NULL ? -1 : 0;
}

static int free_table(void **state)
{
    account_table_free(*state);
    return 0;
}

static void test_places(void **state)
{
    struct account_table *table = *state;

    assert_true(account_take_place(table, KEY, 2, 0));
    assert_true(account_take_place(table, KEY, 2, 0));
    assert_false(account_take_place(table, KEY, 2, 0));
    assert_int_equal(account_places(table, KEY), 2);
    assert_true(account_take_place(table, KEY + 1, 2, 0));
    account_give_place_back(table, KEY);
    assert_true(account_take_place(table, KEY, 2, 0));
    assert_true(account_take_place(table, KEY, 0, 0)); /* no limit, but counted */
    assert_int_equal(account_places(table, KEY), 3);
    for (int i = 0; i < 10; i++)
        account_give_place_back(table, KEY);
    assert_int_equal(account_places(table, KEY), 0);
    account_give_place_back(table, 12345); /* unknown */
}

static void test_no_key(void **state)
{
    struct account_table *table = *state;

    for (int i = 0; i < 5; i++)
        assert_true(account_take_place(table, 0, 1, 0));
    account_count_failure(table, 0, 0);
    assert_true(account_may_try(table, 0, 1, 1, 0));
    assert_int_equal(account_places(table, 0), 0);
    account_give_place_back(table, 0);
}

static void test_failures(void **state)
{
    struct account_table *table = *state;
    int64_t now_ms = 1000000;

    assert_true(account_may_try(table, KEY, 3, 1, now_ms));
    for (int i = 0; i < 3; i++)
        account_count_failure(table, KEY, now_ms);
    assert_false(account_may_try(table, KEY, 3, 0, now_ms));
    account_take_place(table, KEY, 0, now_ms);
    assert_false(account_may_try(table, KEY, 3, 1, now_ms));
    assert_true(account_may_try(table, KEY, 0, 1, now_ms));
    assert_true(account_may_try(table, KEY, 4, 1, now_ms));
    assert_false(account_may_try(table, KEY, 3, 1, now_ms + ACCOUNT_FORGIVE_MS - 1));
    assert_true(account_may_try(table, KEY, 3, 1, now_ms + ACCOUNT_FORGIVE_MS));
    assert_true(account_may_try(table, KEY, 1, 1, now_ms + 3 * ACCOUNT_FORGIVE_MS));
}

/* After half of the failures are used up, attempts in progress count. */
static void test_attempts_count(void **state)
{
    struct account_table *table = *state;

    for (int i = 0; i < 5; i++)
        account_take_place(table, KEY, 0, 0);
    account_count_failure(table, KEY, 0);
    assert_true(account_may_try(table, KEY, 4, 1, 0));
    account_count_failure(table, KEY, 0);
    assert_false(account_may_try(table, KEY, 4, 1, 0));
    for (int i = 0; i < 3; i++)
        account_count_failure(table, KEY, 0);
    assert_false(account_may_try(table, KEY, 10, 0, 0));
    assert_true(account_may_try(table, KEY, 10, 1, 0));
}

/* Keys that fall on the same entry. */
static uint64_t colliding_key(unsigned which)
{
    uint64_t key = 1;

    for (;; key++)
        if ((hash(key) >> 40 & (ENTRY_COUNT - 1)) == 5 && which-- == 0)
            return key;
}

static void test_full(void **state)
{
    struct account_table *table = *state;
    uint64_t last = colliding_key(PROBES);

    for (unsigned i = 0; i < PROBES; i++)
        assert_true(account_take_place(table, colliding_key(i), 1, 0));
    assert_true(account_take_place(table, last, 1, 0)); /* no entry: no limit */
    assert_true(account_take_place(table, last, 1, 0));
    account_give_place_back(table, colliding_key(3));
    assert_true(account_take_place(table, last, 1, 0));
    assert_false(account_take_place(table, last, 1, 0));
}

/* An address comes back after an entry before its own has become free. */
static void test_two_entries(void **state)
{
    struct account_table *table = *state;
    uint64_t key = colliding_key(0);

    atomic_store(&entry_at(table, key, 3)->word, owner_of(key) + 1);
    atomic_store(&entry_at(table, key, 1)->word, owner_of(key) + 1);
    assert_int_equal(account_places(table, key), 2);
    account_give_place_back(table, key);
    account_give_place_back(table, key);
    assert_int_equal(account_places(table, key), 0);
}

static void fight(struct account_table *table, const uint64_t *keys, unsigned count, unsigned seed)
{
    for (int i = 0; i < 200000; i++) {
        uint64_t key = keys[(seed = seed * 1664525 + 1013904223) >> 16 & (count - 1)];

        if (account_take_place(table, key, 3, 0))
            account_give_place_back(table, key);
    }
    _exit(ALL_DONE);
}

static void test_processes(void **state)
{
    enum { PROCESSES = 4, KEYS = 32 };
    struct account_table *table = *state;
    uint64_t keys[KEYS];
    int left = 0;

    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = colliding_key(i);
    for (unsigned i = 0; i < PROCESSES; i++)
        if (fork() == 0)
            fight(table, keys, KEYS, i);
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, ALL_DONE);
    }
    for (int i = 0; i < ENTRY_COUNT; i++)
        left += places_of(atomic_load(&table->entries[i].word));
    assert_int_equal(left, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_table, free_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_places), TEST(test_no_key),      TEST(test_failures),  TEST(test_attempts_count),
        TEST(test_full),   TEST(test_two_entries), TEST(test_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
