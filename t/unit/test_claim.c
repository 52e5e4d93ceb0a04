/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker may be killed at any instruction, and the master gives back what its slots say. So each count
 * in shared memory is in the slot before it is taken and until it is given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pool/account.h"
#include "pool/place.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"
#include "session/group.h"
#include "session/session.h"

static char name[] = "one";
static struct conf_instance instance;
static struct scoreboard_totals totals;
static struct instance_memory memory;
static struct pool pool;
static struct place place;
static struct session_start start;
static struct session session;

static struct server_state state;
static struct route_stay stay;
static struct route_server server = {
    .text = name, .weight = 100, .state = &state, .number = 7};
static struct route_group group;

static unsigned calls;

/* ---- what the slot must say while something is counted ---- */

static void expect_place(void)
{
    calls++;
    assert_true(atomic_load(&place.slot->account) != 0);
}

static void expect_attempt(void)
{
    expect_place();
    assert_int_equal(atomic_load(&place.slot->login), SCOREBOARD_LOGIN_UNDER_WAY);
}

static void expect_server(void)
{
    calls++;
    assert_int_equal(atomic_load(&place.slot->server), server.number);
}

static void expect_server_login(void)
{
    expect_server();
    assert_int_equal(atomic_load(&place.slot->is_server_login), 1);
}

static void expect_user(uint64_t user)
{
    expect_server();
    assert_true(atomic_load(&place.slot->staying_user) == user);
}

/* A function that counts, which calls `expect` first. */
#define WATCH(type, function, parameters, arguments, expect) \
    type __real_##function parameters;                       \
    type __wrap_##function parameters;                       \
    type __wrap_##function parameters                        \
    {                                                        \
        expect;                                              \
        return __real_##function arguments;                  \
    }

WATCH(enum account_answer, account_take_place,
      (struct account_table * table, uint64_t key, int limit, int64_t now_ms),
      (table, key, limit, now_ms), expect_place())
WATCH(void, account_give_place_back, (struct account_table * table, uint64_t key), (table, key),
      expect_place())
WATCH(enum account_answer, account_begin_attempt,
      (struct account_table * table, uint64_t key, int limit, int64_t now_ms),
      (table, key, limit, now_ms), expect_attempt())
WATCH(void, account_end_attempt,
      (struct account_table * table, uint64_t key, bool has_failed, int64_t now_ms),
      (table, key, has_failed, now_ms), expect_attempt())
WATCH(bool, server_state_begin_session, (struct server_state * counted, unsigned max),
      (counted, max), expect_server())
WATCH(void, server_state_end_session, (struct server_state * counted), (counted), expect_server())
WATCH(bool, server_state_begin_login, (struct server_state * counted, unsigned max), (counted, max),
      expect_server_login())
WATCH(bool, server_state_try_turn,
      (struct server_state * counted, uint32_t ticket, unsigned max, int64_t now_ms,
       int64_t *pause_ms_r),
      (counted, ticket, max, now_ms, pause_ms_r), expect_server_login())
WATCH(void, server_state_end_login, (struct server_state * counted), (counted),
      expect_server_login())
WATCH(bool, route_stay_begin,
      (struct route_stay * table, uint64_t user, uint32_t number, int64_t stay_ms, int64_t now_ms,
       uint64_t *before_r),
      (table, user, number, stay_ms, now_ms, before_r), expect_user(user))
WATCH(void, route_stay_end,
      (struct route_stay * table, uint64_t user, uint32_t number, int64_t stay_ms, int64_t now_ms),
      (table, user, number, stay_ms, now_ms), expect_user(user))
WATCH(void, route_stay_undo,
      (struct route_stay * table, uint64_t user, uint32_t number, uint64_t before),
      (table, user, number, before), expect_user(user))

/* ---- a session at its place ---- */

static int make(void **unused)
{
    (void)unused;
    calls = 0;
    instance =
        (struct conf_instance){.section = {.name = name}, .values = &instance.section.values};
    instance.section.values.max_workers = 1;
    instance.section.values.sessions_per_worker = 1;
    instance.section.values.max_per_ip = 1;
    instance.section.values.login_failures = 5;
    memory = (struct instance_memory){.accounts = account_table_new(), .totals = &totals};
    pool = (struct pool){.instance = &instance, .memory = &memory};
    if (memory.accounts == NULL || pool_make_slots(&pool) == -1)
        return -1;
    place_init(&place, &pool, pool_worker_slot(&pool, 0));
    start = (struct session_start){.conf = &instance, .watch = &place.watch};
    memset(&state, 0, sizeof(state));
    memset(&stay, 0, sizeof(stay));
    group = (struct route_group){
        .name = name, .count = 1, .servers = &server, .stay = &stay, .stay_ms = 900000};
    session = (struct session){.start = &start,
                               .values = instance.values,
                               .login_deadline_ms = INT64_MAX,
                               .route = {.group = &group, .login = {.key = "", .user = 1 << 20}}};
    return address_from_literal(&session.client_address, "192.0.2.1", 4000);
}

static int done(void **unused)
{
    (void)unused;
    pool_free_slots(&pool);
    account_table_free(memory.accounts);
    return 0;
}

static int places_of_client(void)
{
    return account_places(memory.accounts, address_account_key(&session.client_address));
}

static void test_address(void **unused)
{
    const struct session_watch *watch = &place.watch;

    (void)unused;
    assert_int_equal(watch->admit(&place, &session), OUTCOME_NONE);
    assert_int_equal(places_of_client(), 1);
    assert_int_equal(watch->may_log_in(&place, &session), OUTCOME_NONE);
    watch->login_refused(&place, true);
    assert_int_equal(atomic_load(&place.slot->login), SCOREBOARD_LOGIN_NONE);
    place_end(&place, &session, OUTCOME_LOGIN_REFUSED);
    assert_int_equal(places_of_client(), 0);
    assert_true(atomic_load(&place.slot->account) == 0);
    assert_int_equal(calls, 4);
}

/* What was not counted is not in the slot. */
static void test_address_full(void **unused)
{
    uint64_t key = address_account_key(&session.client_address);

    (void)unused;
    assert_int_equal(__real_account_take_place(memory.accounts, key, 0, 0), ACCOUNT_GRANTED);
    assert_int_equal(place.watch.admit(&place, &session), OUTCOME_TOO_MANY_PER_IP);
    assert_true(atomic_load(&place.slot->account) == 0);
    place_end(&place, &session, OUTCOME_TOO_MANY_PER_IP);
    assert_int_equal(places_of_client(), 1);
}

static void expect_no_claim(void)
{
    assert_int_equal(state.sessions, 0);
    assert_int_equal(state.logins, 0);
    assert_int_equal(atomic_load(&place.slot->server), 0);
    assert_int_equal(atomic_load(&place.slot->is_server_login), 0);
    assert_true(atomic_load(&place.slot->staying_user) == 0);
}

static void test_group(void **unused)
{
    (void)unused;
    assert_int_equal(group_begin_try(&session), OUTCOME_NONE);
    assert_int_equal(state.sessions, 1);
    assert_int_equal(state.logins, 1);
    group_note_answer(&session, OUTCOME_NONE);
    assert_int_equal(state.logins, 0);
    assert_int_equal(atomic_load(&place.slot->is_server_login), 0);
    group_let_go(&session);
    expect_no_claim();
    assert_int_equal(calls, 6);
    assert_false(route_stay_find(&stay, session.route.login.user, 1).is_running);
}

/* Two logins at a server that takes one at a time: the second one waits for its turn. */
static void test_group_turn(void **unused)
{
    int64_t pause_ms;
    uint32_t ticket;

    (void)unused;
    group.max_logins = 1;
    ticket = server_state_join(&state, INT64_MAX); /* one that nobody visits is passed over */
    assert_int_equal(group_begin_try(&session), OUTCOME_NONE);
    assert_int_equal(state.logins, 1);
    assert_false(__real_server_state_try_turn(&state, ticket, 1, INT64_MAX, &pause_ms));
    group_let_go(&session);
    expect_no_claim();
}

/* A server that is full, and a table without room, leave nothing in the slot. */
static void test_group_full(void **unused)
{
    (void)unused;
    group.max_sessions = 1;
    state.sessions = 1;
    assert_int_equal(group_begin_try(&session), OUTCOME_GROUP_FULL);
    state.sessions = 0;
    expect_no_claim();
    session.route.login.tried = (struct route_tried){0};
    for (size_t i = 0; i < ROUTE_STAY_ENTRIES; i++)
        stay.entries[i].owner = UINT64_MAX;
    assert_int_equal(group_begin_try(&session), OUTCOME_NONE);
    assert_true(atomic_load(&place.slot->staying_user) == 0);
    group_let_go(&session);
    expect_no_claim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_address, make, done),
        cmocka_unit_test_setup_teardown(test_address_full, make, done),
        cmocka_unit_test_setup_teardown(test_group, make, done),
        cmocka_unit_test_setup_teardown(test_group_turn, make, done),
        cmocka_unit_test_setup_teardown(test_group_full, make, done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
