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

    assert_int_equal(account_take_place(table, KEY, 2, 0), ACCOUNT_GRANTED);
    assert_int_equal(account_take_place(table, KEY, 2, 0), ACCOUNT_GRANTED);
    assert_int_equal(account_take_place(table, KEY, 2, 0), ACCOUNT_REFUSED);
    assert_int_equal(account_places(table, KEY), 2);
    assert_int_equal(account_take_place(table, KEY + 1, 2, 0), ACCOUNT_GRANTED);
    account_give_place_back(table, KEY);
    assert_int_equal(account_take_place(table, KEY, 2, 0), ACCOUNT_GRANTED);
    assert_int_equal(account_take_place(table, KEY, 0, 0),
                     ACCOUNT_GRANTED); /* no limit, but counted */
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
        assert_int_equal(account_take_place(table, 0, 1, 0), ACCOUNT_UNCOUNTED);
    assert_int_equal(account_begin_attempt(table, 0, 1, 0), ACCOUNT_UNCOUNTED);
    account_end_attempt(table, 0, true, 0);
    assert_false(account_is_locked(table, 0, 1, 0));
    assert_int_equal(account_places(table, 0), 0);
    account_give_place_back(table, 0);
}

/* ---- attempts ---- */

enum { NOW_MS = 1000000 };

/* An address that holds `places`. */
static void hold(struct account_table *table, uint64_t key, int places)
{
    while (places-- > 0)
        assert_int_equal(account_take_place(table, key, 0, NOW_MS), ACCOUNT_GRANTED);
}

static void fail_once(struct account_table *table, uint64_t key, int limit, int64_t now_ms)
{
    assert_int_equal(account_begin_attempt(table, key, limit, now_ms), ACCOUNT_GRANTED);
    account_end_attempt(table, key, true, now_ms);
}

static void test_failures(void **state)
{
    struct account_table *table = *state;

    hold(table, KEY, 1);
    for (int i = 0; i < 3; i++) {
        assert_false(account_is_locked(table, KEY, 3, NOW_MS));
        fail_once(table, KEY, 3, NOW_MS);
    }
    assert_true(account_is_locked(table, KEY, 3, NOW_MS));
    assert_int_equal(account_begin_attempt(table, KEY, 3, NOW_MS), ACCOUNT_REFUSED);
    assert_false(account_is_locked(table, KEY, 4, NOW_MS));
    assert_true(account_is_locked(table, KEY, 3, NOW_MS + ACCOUNT_FORGIVE_MS - 1));
    assert_false(account_is_locked(table, KEY, 3, NOW_MS + ACCOUNT_FORGIVE_MS));
    assert_false(account_is_locked(table, KEY, 1, NOW_MS + 3 * ACCOUNT_FORGIVE_MS));
}

/* 0: no limit, and nothing is counted for a later one. */
static void test_no_limit(void **state)
{
    struct account_table *table = *state;

    hold(table, KEY, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(account_begin_attempt(table, KEY, 0, NOW_MS), ACCOUNT_UNCOUNTED);
    assert_false(account_is_locked(table, KEY, 0, NOW_MS));
    assert_false(account_is_locked(table, KEY, 1, NOW_MS));
}

/* An attempt counts from its begin; the others wait, until it is known what became of it. */
static void test_attempts_under_way(void **state)
{
    struct account_table *table = *state;

    hold(table, KEY, 10);
    for (int i = 0; i < 4; i++)
        assert_int_equal(account_begin_attempt(table, KEY, 4, NOW_MS), ACCOUNT_GRANTED);
    assert_int_equal(account_begin_attempt(table, KEY, 4, NOW_MS), ACCOUNT_WAIT);
    assert_false(account_is_locked(table, KEY, 4, NOW_MS));
    account_end_attempt(table, KEY, false, NOW_MS);
    assert_int_equal(account_begin_attempt(table, KEY, 4, NOW_MS), ACCOUNT_GRANTED);
    for (int i = 0; i < 3; i++)
        account_end_attempt(table, KEY, true, NOW_MS);
    assert_int_equal(account_begin_attempt(table, KEY, 4, NOW_MS), ACCOUNT_WAIT);
    account_end_attempt(table, KEY, true, NOW_MS);
    assert_int_equal(account_begin_attempt(table, KEY, 4, NOW_MS), ACCOUNT_REFUSED);
}

/* However many are tried at once, the address owes no more than the limit, for as long as it takes
 * to forgive so many. */
static void test_ceiling(void **state)
{
    struct account_table *table = *state;
    int begun = 0;

    hold(table, KEY, 500);
    for (int i = 0; i < 500; i++)
        begun += account_begin_attempt(table, KEY, 30, NOW_MS) == ACCOUNT_GRANTED;
    assert_int_equal(begun, 30);
    for (int i = 0; i < 500; i++)
        account_end_attempt(table, KEY, true, NOW_MS);
    assert_true(account_is_locked(table, KEY, 30, NOW_MS));
    assert_false(account_is_locked(table, KEY, 1, NOW_MS + 30 * ACCOUNT_FORGIVE_MS));
}

/* A reload with a smaller limit. */
static void test_smaller_limit(void **state)
{
    struct account_table *table = *state;

    hold(table, KEY, 1);
    for (int i = 0; i < 30; i++)
        fail_once(table, KEY, 30, NOW_MS);
    assert_true(account_is_locked(table, KEY, 2, NOW_MS));
    assert_false(account_is_locked(table, KEY, 2, NOW_MS + ACCOUNT_FORGIVE_MS));
}

/* A broken worker wrote there: the address is refused no longer than one that owes all it may. */
static void test_any_numbers(void **state)
{
    struct account_table *table = *state;

    hold(table, KEY, 1);
    atomic_store(&find(table, KEY)->attempts, UINT64_MAX);
    assert_true(account_is_locked(table, KEY, 3, NOW_MS));
    assert_false(account_is_locked(table, KEY, 3, NOW_MS + 3 * ACCOUNT_FORGIVE_MS));
    hold(table, KEY, 1);
    assert_int_equal(account_begin_attempt(table, KEY, 3, NOW_MS + 3 * ACCOUNT_FORGIVE_MS),
                     ACCOUNT_GRANTED);
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        atomic_store(&table->entries[i].owner, UINT64_MAX - i);
        atomic_store(&table->entries[i].attempts, UINT64_MAX - i);
    }
    assert_int_equal(account_take_place(table, KEY, 1, NOW_MS), ACCOUNT_UNCOUNTED);
    assert_int_equal(account_begin_attempt(table, KEY, 1, NOW_MS), ACCOUNT_UNCOUNTED);
    account_end_attempt(table, KEY, true, NOW_MS);
    account_give_place_back(table, KEY);
}

/* Keys that fall on the same entry. */
static uint64_t colliding_key(unsigned which)
{
    uint64_t key = 1;

    for (;; key++)
        if ((hash_number(key) >> 40 & (ENTRY_COUNT - 1)) == 5 && which-- == 0)
            return key;
}

static void test_full(void **state)
{
    struct account_table *table = *state;
    uint64_t last = colliding_key(PROBES);

    for (unsigned i = 0; i < PROBES; i++)
        hold(table, colliding_key(i), 1);
    assert_int_equal(account_take_place(table, last, 1, NOW_MS), ACCOUNT_UNCOUNTED);
    assert_int_equal(account_begin_attempt(table, last, 1, NOW_MS), ACCOUNT_UNCOUNTED);
    account_give_place_back(table, colliding_key(3));
    assert_int_equal(account_take_place(table, last, 1, NOW_MS), ACCOUNT_GRANTED);
    assert_int_equal(account_take_place(table, last, 1, NOW_MS), ACCOUNT_REFUSED);
}

/* Where failed logins fill the table, an address that cannot be counted is refused: it may be one
 * more of an attack from many addresses. */
static void test_crowded(void **state)
{
    struct account_table *table = *state;
    uint64_t last = colliding_key(PROBES);

    for (unsigned i = 0; i < PROBES; i++) {
        hold(table, colliding_key(i), 1);
        fail_once(table, colliding_key(i), 3, NOW_MS);
        account_give_place_back(table, colliding_key(i));
    }
    assert_int_equal(account_take_place(table, last, 1, NOW_MS), ACCOUNT_CROWDED);
    assert_int_equal(account_take_place(table, last, 1, NOW_MS + ACCOUNT_FORGIVE_MS),
                     ACCOUNT_GRANTED);
    /* The attempts of the last owner are not those of the new one. */
    assert_false(account_is_locked(table, last, 1, NOW_MS));
}

/* An address comes back after an entry before its own has become free. */
static void test_two_entries(void **state)
{
    struct account_table *table = *state;
    uint64_t key = colliding_key(0);

    atomic_store(&entry_at(table, key, 3)->owner, owner_of(key) + 1);
    atomic_store(&entry_at(table, key, 1)->owner, owner_of(key) + 1);
    assert_int_equal(account_places(table, key), 2);
    account_give_place_back(table, key);
    account_give_place_back(table, key);
    assert_int_equal(account_places(table, key), 0);
}

static void fight(struct account_table *table, const uint64_t *keys, unsigned count, unsigned seed)
{
    for (int i = 0; i < 200000; i++) {
        uint64_t key = keys[(seed = seed * 1664525 + 1013904223) >> 16 & (count - 1)];

        if (account_take_place(table, key, 3, 0) != ACCOUNT_GRANTED)
            continue;
        if (account_begin_attempt(table, key, 3, 0) == ACCOUNT_GRANTED)
            account_end_attempt(table, key, false, 0);
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
        left += places_of(atomic_load(&table->entries[i].owner)) +
                under_way(atomic_load(&table->entries[i].attempts));
    assert_int_equal(left, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_table, free_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_places),
        TEST(test_no_key),
        TEST(test_failures),
        TEST(test_no_limit),
        TEST(test_attempts_under_way),
        TEST(test_ceiling),
        TEST(test_smaller_limit),
        TEST(test_any_numbers),
        TEST(test_full),
        TEST(test_crowded),
        TEST(test_two_entries),
        TEST(test_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
