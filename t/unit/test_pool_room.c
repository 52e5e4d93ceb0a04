/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which workers are asked to make room in a full pool, and how many. This process stands for all
 * workers and counts the signals.
 */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pool/pool.h"
#include "pool/pool_room.h"
#include "pool/pool_slots.h"
#include "pool/worker.h"
#include "session/session.h"

enum {
    PLACES = 1000,
    GREEDY = 1, /* the keys of three addresses */
    MODEST = 2,
    SINGLE = 3,
    OLD_MS = 700, /* old enough to be shed */
};

static struct conf_instance instance;
static struct instance_memory memory;
static struct pool pool;
static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static int make_pool(void **state)
{
    (void)state;
    signals = 0;
    signal(WORKER_SIGNAL_SHED, count_signal);
    instance = (struct conf_instance){.values = &instance.section.values};
    instance.section.values.max_workers = PLACES;
    instance.section.values.sessions_per_worker = 1;
    memory = (struct instance_memory){.accounts = account_table_new()};
    pool = (struct pool){.instance = &instance, .memory = &memory};
    return memory.accounts == NULL || pool_make_slots(&pool) == -1 ? -1 : 0;
}

static int free_pool(void **state)
{
    (void)state;
    pool_free_slots(&pool);
    account_table_free(memory.accounts);
    return 0;
}

/* A session in the login stage that is `age_ms` old. */
static struct scoreboard_slot *put(size_t place, uint64_t key, int age_ms)
{
    struct scoreboard_slot *slot = pool_worker_slot(&pool, place);

    pool.pids[place] = getpid();
    if (pool.workers_end <= place)
        pool.workers_end = place + 1;
    atomic_store(&slot->pid, INT_MAX); /* whatever the shared memory says */
    atomic_store(&slot->state, SCOREBOARD_BUSY);
    atomic_store(&slot->session, 7);
    atomic_store(&slot->stage, SESSION_STAGE_LOGIN);
    atomic_store(&slot->started_ms, clock_now_ms() - age_ms);
    atomic_store(&slot->account, key);
    assert_int_equal(account_take_place(memory.accounts, key, 0, 0), ACCOUNT_GRANTED);
    return slot;
}

static bool is_asked(size_t place)
{
    return atomic_load(&pool_worker_slot(&pool, place)->shed_session) == 7;
}

static size_t count_asked(void)
{
    size_t count = 0;

    for (size_t i = 0; i < PLACES; i++)
        count += is_asked(i);
    return count;
}

/* Three hundred of one address, the oldest in the middle; a hundred of another; one that is older
 * than all of them. */
static void fill(void)
{
    for (size_t i = 0; i < 300; i++)
        put(i, GREEDY, OLD_MS + (i == 150 ? 5000 : (int)i));
    for (size_t i = 300; i < 400; i++)
        put(i, MODEST, OLD_MS + 1000 + (int)i);
    put(400, SINGLE, OLD_MS + 60000);
}

static void test_oldest_of_the_greediest(void **state)
{
    (void)state;
    fill();
    assert_int_equal(pool_make_room(&pool, 49), 1);
    assert_true(is_asked(150));
    assert_int_equal(pool_make_room(&pool, 100), 3);
    assert_true(is_asked(299) && is_asked(298) && is_asked(297));
    assert_int_equal(count_asked(), 4);
}

static void test_next_address(void **state)
{
    (void)state;
    fill();
    assert_int_equal(pool_make_room(&pool, 1000000), 256); /* no more in one round */
    assert_int_equal(count_asked(), 256);
    assert_false(is_asked(0) || is_asked(300) || is_asked(400));
    assert_int_equal(pool_make_room(&pool, 50 * 49), 50);
    for (size_t i = 0; i < 300; i++)
        assert_true(is_asked(i));
    for (size_t i = 394; i < 400; i++)
        assert_true(is_asked(i));
    assert_int_equal(count_asked(), 306);
    assert_int_equal(pool_make_room(&pool, 1000000), 95);
    assert_true(is_asked(400));
    assert_int_equal(pool_make_room(&pool, 1000000), 0);
}

static void test_who_stays(void **state)
{
    (void)state;
    atomic_store(&put(0, GREEDY, OLD_MS)->login, SCOREBOARD_LOGIN_DONE);
    atomic_store(&put(1, GREEDY, OLD_MS)->state, SCOREBOARD_IDLE);
    atomic_store(&put(2, MODEST, OLD_MS)->stage, SESSION_STAGE_SERVER_LOGIN);
    put(3, GREEDY, 0);
    assert_int_equal(pool_make_room(&pool, 1000), 0);
    atomic_store(&put(4, SINGLE, 10001)->stage, SESSION_STAGE_SERVER_LOGIN);
    assert_int_equal(pool_make_room(&pool, 1000), 1);
    assert_true(is_asked(4));
}

static void test_told_again(void **state)
{
    (void)state;
    put(0, GREEDY, OLD_MS);
    assert_int_equal(pool_make_room(&pool, 1), 1);
    assert_int_equal(signals, 1);
    assert_int_equal(pool_make_room(&pool, 1), 0);
    assert_int_equal(signals, 2);
    atomic_store(&pool_worker_slot(&pool, 0)->session, 8); /* the next session in this slot */
    assert_int_equal(pool_make_room(&pool, 1), 1);
}

static struct scoreboard_slot *put_at_stage(size_t place, uint64_t key, enum session_stage stage,
                                            int age_ms)
{
    struct scoreboard_slot *slot = put(place, key, age_ms);

    atomic_store(&slot->stage, (int)stage);
    return slot;
}

/* A password is being tried: an address that holds one or two places has ten seconds for it. One
 * that holds a good share of the pool has no more time than a silent client. */
static void test_share(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        put_at_stage(i, SINGLE, SESSION_STAGE_SERVER_LOGIN, 9000);
    for (size_t i = 2; i < 2 + PLACES / 8; i++)
        put_at_stage(i, GREEDY, i % 2 == 0 ? SESSION_STAGE_SERVER_LOGIN : SESSION_STAGE_ACCESS,
                     OLD_MS);
    assert_int_equal(pool_make_room(&pool, 1000000), PLACES / 8);
    assert_false(is_asked(0) || is_asked(1));
}

/* Between the two the time goes down quickly with the number of places. */
static void test_few_places(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        put_at_stage(i, MODEST, SESSION_STAGE_SERVER_LOGIN, i == 0 ? 2600 : 2000);
    for (size_t i = 4; i < 14; i++)
        put_at_stage(i, GREEDY, SESSION_STAGE_SERVER_LOGIN, 600);
    assert_int_equal(pool_make_room(&pool, 1000000), 11);
    assert_true(is_asked(0) && is_asked(4) && is_asked(13));
    assert_false(is_asked(1));
}

/* No password waits for an answer while a name is looked up or a server does not answer. */
static void test_connecting(void **state)
{
    (void)state;
    put_at_stage(0, SINGLE, SESSION_STAGE_RESOLVE, OLD_MS);
    put_at_stage(1, MODEST, SESSION_STAGE_CONNECT, OLD_MS);
    put_at_stage(2, GREEDY, SESSION_STAGE_CONNECT, 50);
    assert_int_equal(pool_make_room(&pool, 1000), 2);
    assert_true(is_asked(0) && is_asked(1));
}

/* In a large pool, a short queue sheds no session, a long one does. */
static void test_age(void **state)
{
    (void)state;
    put(0, GREEDY, 300);
    assert_int_equal(pool_make_room(&pool, 1000), 0);
    assert_int_equal(pool_make_room(&pool, 2000), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_oldest_of_the_greediest, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_next_address, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_who_stays, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_told_again, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_share, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_few_places, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_connecting, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_age, make_pool, free_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
