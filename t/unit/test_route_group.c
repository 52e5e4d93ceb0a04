/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A group of servers: its list, the order in which a login tries the servers, and what is noted of
 * them, whatever a broken worker has written there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "route/route_group.h"
#include "route/route_hash.h"

enum { NOW_MS = 1000000, RETRY_MS = 15000, USERS = 2000 };

static struct server_state states[4];
static struct route_group group;

static void read_list(const char *list)
{
    struct error error;

    route_group_free_servers(group.servers, group.count);
    group = (struct route_group){.name = "g", .is_checked = true, .retry_ms = RETRY_MS, .fall = 3};
    memset(states, 0, sizeof(states));
    assert_int_equal(route_group_parse(list, &group.servers, &group.count, &error), 0);
    for (size_t i = 0; i < group.count; i++) {
        group.servers[i].state = &states[i % 4];
        group.servers[i].number = (uint32_t)i + 1;
    }
}

static int set_up(void **state)
{
    (void)state;
    read_list("a, b, c:1110, d");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    route_group_free_servers(group.servers, group.count);
    group = (struct route_group){.count = 0};
    return 0;
}

/* The order in which a login tries the servers: their letters. */
static const char *order_of(const char *key, char text[8])
{
    struct route_login login = {.key = key};
    size_t length = 0;
    size_t server;

    while (route_group_choose(&group, &login, NOW_MS, &server) == ROUTE_CHOICE_SERVER) {
        text[length++] = group.servers[server].text[0];
        route_tried_add(&login.tried, server);
    }
    text[length] = '\0';
    return text;
}

static enum route_choice choice_at(const char *key, int64_t now_ms, size_t *server_r)
{
    struct route_login login = {.key = key, .user = route_group_user(&group, key)};

    return route_group_choose(&group, &login, now_ms, server_r);
}

static enum route_choice choice(const char *key, size_t *server_r)
{
    return choice_at(key, NOW_MS, server_r);
}

static size_t first_of(const char *key)
{
    size_t server = 0;

    assert_int_equal(choice(key, &server), ROUTE_CHOICE_SERVER);
    return server;
}

static bool may_begin(uint32_t ticket, unsigned max, int64_t now_ms)
{
    int64_t pause_ms = 0;
    bool may = server_state_try_turn(&states[0], ticket, max, now_ms, &pause_ms);

    assert_in_range(pause_ms, 1, SERVER_QUEUE_PAUSE_MS);
    return may;
}

/* ---- the list ---- */

static void test_list(void **state)
{
    (void)state;
    read_list(" A.Example.net*50 ,[::1]:995,b:1110*0,127.0.0.1");
    assert_int_equal(group.count, 4);
    assert_string_equal(group.servers[0].text, "A.Example.net");
    assert_string_equal(group.servers[0].name.host, "a.example.net");
    assert_int_equal(group.servers[0].name.port, 0);
    assert_int_equal(group.servers[0].weight, 50);
    assert_string_equal(group.servers[1].text, "[::1]:995");
    assert_int_equal(group.servers[1].name.port, 995);
    assert_int_equal(group.servers[1].weight, ROUTE_GROUP_WEIGHT_DEFAULT);
    assert_int_equal(group.servers[2].weight, 0);
}

static void test_broken_lists(void **state)
{
    static const char *const lists[] = {"",      "a,",    "a,,b",     "a*",     "a*-1", "a*1.5",
                                        "a*01",  "a*10001", "a*1*2",  "a b",    "*5",   "a:0",
                                        "a,A",   "a,a.",  "a:110,a:110", "group:x", "-",  "a*1 0"};
    struct route_server *servers;
    struct error error;
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (route_group_parse(lists[i], &servers, &count, &error) != -1)
            fail_msg("\"%s\" was taken", lists[i]);
}

/* ---- the choice ---- */

/* All servers in the order of their scores, and each user's is his own. */
static void test_order(void **state)
{
    size_t counts[4] = {0};

    (void)state;
    for (int i = 0; i < USERS; i++) {
        char key[16];
        char order[8];
        double last = 1e300;

        snprintf(key, sizeof(key), "user%d", i);
        order_of(key, order);
        assert_int_equal(strlen(order), 4);
        for (size_t j = 0; j < 4; j++) {
            double score = route_group_score(&group.servers[order[j] - 'a'], key, strlen(key));
            assert_true(score < last);
            last = score;
        }
        counts[first_of(key)]++;
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(counts[i], USERS / 4 - USERS / 20, USERS / 4 + USERS / 20);
}

static void test_down_and_drained(void **state)
{
    size_t first = first_of("anna");
    size_t server;
    char order[8];

    (void)state;
    states[first].is_down = 1;
    assert_null(strchr(order_of("anna", order), group.servers[first].text[0]));
    assert_int_equal(strlen(order), 3);
    states[first].is_down = 0;
    assert_true(server_state_set_drained(&states[first], true, NOW_MS));
    assert_false(server_state_set_drained(&states[first], true, NOW_MS));
    assert_int_equal(strlen(order_of("anna", order)), 3);
    for (size_t i = 0; i < 4; i++)
        states[i].is_down = 1;
    assert_int_equal(strlen(order_of("anna", order)), 3); /* all down: each is tried */
    assert_null(strchr(order, group.servers[first].text[0]));
    for (size_t i = 0; i < 4; i++)
        server_state_set_drained(&states[i], true, NOW_MS);
    assert_int_equal(choice("anna", &server), ROUTE_CHOICE_DRAINED);
}

/* One login of those that find a server due tries it, where nobody checks it. */
static void test_retry(void **state)
{
    size_t first = first_of("anna");

    (void)state;
    states[first].is_down = 1;
    states[first].retried_ms = NOW_MS - RETRY_MS;
    assert_true(first_of("anna") != first);
    group.is_checked = false;
    states[first].retried_ms = NOW_MS - RETRY_MS + 1;
    assert_true(first_of("anna") != first);
    states[first].retried_ms = NOW_MS - RETRY_MS;
    assert_true(first_of("anna") == first);
    assert_true(first_of("anna") != first);
    states[first].retried_ms = NOW_MS + 1; /* another worker has read the clock after this one */
    assert_true(first_of("anna") != first);
    states[first].retried_ms = NOW_MS + RETRY_MS + 1; /* that time is not true */
    assert_true(first_of("anna") == first);
}

static void test_domain(void **state)
{
    (void)state;
    group.hash = ROUTE_GROUP_HASH_DOMAIN;
    assert_string_equal(route_group_key(&group, "anna@b@example.net", "@%"), "example.net");
    assert_string_equal(route_group_key(&group, "anna", "@%"), "anna");
    assert_string_equal(route_group_key(&group, "anna@b@", "@%"), "anna@b@");
    group.hash = ROUTE_GROUP_HASH_USER;
    assert_string_equal(route_group_key(&group, "anna@example.net", "@%"), "anna@example.net");
}

static void test_fewest_sessions(void **state)
{
    (void)state;
    read_list("a*200, b, c*50");
    group.hash = ROUTE_GROUP_HASH_NONE;
    for (int i = 0; i < 70; i++) {
        char key[16];

        snprintf(key, sizeof(key), "user%d", i);
        assert_true(server_state_begin_session(&states[first_of(key)], 0));
    }
    assert_int_equal(server_state_sessions(&states[0]), 40);
    assert_int_equal(server_state_sessions(&states[1]), 20);
    assert_int_equal(server_state_sessions(&states[2]), 10);
}

/* ---- what is noted ---- */

static void test_failures(void **state)
{
    struct server_state *server = &states[0];
    struct server_report report;

    (void)state;
    assert_int_equal(server_state_fail(server, SERVER_FAILURE_TLS, 3, NOW_MS), SERVER_UNCHANGED);
    assert_int_equal(server_state_fail(server, SERVER_FAILURE_TLS, 3, NOW_MS), SERVER_UNCHANGED);
    assert_int_equal(server_state_succeed(server, false, NOW_MS), SERVER_UNCHANGED);
    for (int i = 0; i < 2; i++)
        assert_int_equal(server_state_fail(server, SERVER_FAILURE_CONNECT, 3, NOW_MS), SERVER_UNCHANGED);
    assert_int_equal(server_state_fail(server, SERVER_FAILURE_CONNECT, 3, NOW_MS), SERVER_WENT_DOWN);
    assert_int_equal(server_state_fail(server, SERVER_FAILURE_CONNECT, 3, NOW_MS), SERVER_UNCHANGED);
    server_state_read(server, NOW_MS + 5000, &report);
    assert_string_equal(server_state_word(&report), "down");
    assert_int_equal(report.age_ms, 5000);
    assert_int_equal(report.failures[SERVER_FAILURE_TLS], 2);
    assert_int_equal(report.failures[SERVER_FAILURE_CONNECT], 4);
    assert_int_equal(server_state_succeed(server, false, NOW_MS), SERVER_UNCHANGED);
    assert_int_equal(server_state_succeed(server, true, NOW_MS), SERVER_CAME_UP);
    assert_int_equal(server_state_succeed(server, true, NOW_MS), SERVER_UNCHANGED);
}

static enum server_change check(enum server_failure failure)
{
    return server_state_check(&states[0], failure, 1234, 3, 2, NOW_MS);
}

static void test_checks(void **state)
{
    struct server_report report;

    (void)state;
    server_state_read(&states[0], NOW_MS, &report);
    assert_false(report.is_checked);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(check(SERVER_FAILURE_CONNECT), SERVER_UNCHANGED);
        assert_int_equal(check(i % 2 == 0 ? SERVER_FAILURE_CONNECT : SERVER_FAILURE_COUNT), SERVER_UNCHANGED);
        assert_int_equal(check(SERVER_FAILURE_COUNT), SERVER_UNCHANGED);
    }
    assert_int_equal(check(SERVER_FAILURE_GREETING), SERVER_UNCHANGED);
    assert_int_equal(check(SERVER_FAILURE_GREETING), SERVER_UNCHANGED);
    assert_int_equal(check(SERVER_FAILURE_GREETING), SERVER_WENT_DOWN);
    server_state_read(&states[0], NOW_MS + 1, &report);
    assert_true(report.is_checked && !report.is_check_good);
    assert_int_equal(report.check_failure, SERVER_FAILURE_GREETING);
    assert_int_equal(report.check_us, 1234);
    assert_int_equal(report.check_age_ms, 1);
    assert_int_equal(check(SERVER_FAILURE_COUNT), SERVER_UNCHANGED);
    assert_int_equal(check(SERVER_FAILURE_GREETING), SERVER_UNCHANGED);
    assert_int_equal(check(SERVER_FAILURE_COUNT), SERVER_UNCHANGED);
    assert_int_equal(check(SERVER_FAILURE_COUNT), SERVER_CAME_UP);
    assert_int_equal(check(SERVER_FAILURE_COUNT), SERVER_UNCHANGED);
}

static void test_counts(void **state)
{
    (void)state;
    server_state_end_session(&states[0]);
    assert_int_equal(server_state_sessions(&states[0]), 0);
    assert_true(server_state_begin_session(&states[0], 0));
    assert_true(server_state_begin_session(&states[0], 2));
    assert_false(server_state_begin_session(&states[0], 2));
    assert_true(server_state_is_full(&states[0], 2));
    assert_false(server_state_is_full(&states[0], 0));
    server_state_end_session(&states[0]);
    assert_int_equal(server_state_sessions(&states[0]), 1);
}

/* A count that no gateway has is 0: it would close the server until the memory goes. */
static void test_broken_counts(void **state)
{
    static const uint32_t broken[] = {1 << 24, UINT32_MAX};
    size_t server;

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        for (unsigned max = 0; max < 3; max += 2) {
            states[0].sessions = states[0].logins = broken[i];
            assert_false(server_state_is_full(&states[0], max));
            assert_true(server_state_begin_session(&states[0], max));
            assert_int_equal(server_state_sessions(&states[0]), 1);
            assert_true(server_state_begin_login(&states[0], max));
            assert_int_equal(states[0].logins, 1);
        }
        states[0].logins = broken[i];
        assert_true(may_begin(server_state_join(&states[0], NOW_MS), 2, NOW_MS));
        states[0].sessions = broken[i];
        server_state_end_session(&states[0]);
        assert_int_equal(server_state_sessions(&states[0]), 0);
    }
    group.max_sessions = 1;
    for (size_t i = 0; i < 4; i++)
        states[i].sessions = UINT32_MAX;
    assert_int_equal(choice("anna", &server), ROUTE_CHOICE_SERVER);
}

/* A full server is left out, and where all are full that is the reason. */
static void test_full(void **state)
{
    size_t first = first_of("anna");
    size_t server;

    (void)state;
    group.max_sessions = 1;
    assert_true(server_state_begin_session(&states[first], 1));
    assert_true(first_of("anna") != first);
    for (size_t i = 0; i < 4; i++)
        (void)server_state_begin_session(&states[i], 1);
    assert_int_equal(choice("anna", &server), ROUTE_CHOICE_FULL);
    states[0].is_down = 1;
    server_state_end_session(&states[0]);
    assert_int_equal(choice("anna", &server), ROUTE_CHOICE_FULL);
}

/* How many users of the server that has come back are there so long afterwards, and that none of them
 * leaves it again. */
static void test_slow_start(void **state)
{
    enum { SLOW_MS = 60000, STEP_MS = 6000 };
    bool has_returned[USERS] = {false};

    (void)state;
    states[1].is_down = 1;
    assert_int_equal(server_state_succeed(&states[1], true, NOW_MS), SERVER_CAME_UP);
    for (int64_t age_ms = 0; age_ms <= SLOW_MS; age_ms += STEP_MS) {
        size_t own = 0;
        size_t returned = 0;

        for (int i = 0; i < USERS; i++) {
            char key[16];
            size_t server = 4;
            size_t home;

            snprintf(key, sizeof(key), "user%d", i);
            group.slow_start_ms = 0;
            home = first_of(key);
            group.slow_start_ms = SLOW_MS;
            assert_int_equal(choice_at(key, NOW_MS + age_ms, &server), ROUTE_CHOICE_SERVER);
            own += home == 1;
            returned += server == 1;
            assert_true(home == 1 || server == home);
            assert_true(server == 1 || !has_returned[i]);
            has_returned[i] = server == 1;
        }
        assert_in_range(returned * 100 / own + 6, age_ms * 100 / SLOW_MS, age_ms * 100 / SLOW_MS + 12);
    }
    for (size_t i = 0; i < 4; i++)
        states[i].is_down = i != 1;
    assert_int_equal(first_of("anna"), 1); /* nobody else is there */
}

/* ---- staying ---- */

static struct route_stay stay;

static void test_stay(void **state)
{
    uint64_t user = route_group_user(&group, "anna");
    size_t first = first_of("anna");
    size_t other = (first + 1) % 4;
    size_t server;
    uint64_t before;

    (void)state;
    memset(&stay, 0, sizeof(stay));
    group.stay = &stay;
    group.stay_ms = 900000;
    assert_true(route_stay_begin(&stay, user, (uint32_t)other + 1, group.stay_ms, NOW_MS, &before));
    assert_int_equal(choice_at("anna", NOW_MS + 10000000, &server), ROUTE_CHOICE_SERVER);
    assert_int_equal(server, other); /* while it runs */
    server_state_set_drained(&states[other], true, NOW_MS);
    assert_int_equal(first_of("anna"), other);
    route_stay_end(&stay, user, (uint32_t)other + 1, group.stay_ms, NOW_MS);
    assert_int_equal(first_of("anna"), first); /* nobody comes to a drained one */
    server_state_set_drained(&states[other], false, NOW_MS);
    assert_int_equal(first_of("anna"), other);
    assert_int_equal(first_of("bert"), first_of("bert"));
    states[other].is_down = 1;
    assert_int_equal(first_of("anna"), first);
    states[other].is_down = 0;
    assert_int_equal(choice_at("anna", NOW_MS + 899999, &server), ROUTE_CHOICE_SERVER);
    assert_int_equal(server, other);
    assert_int_equal(choice_at("anna", NOW_MS + 900000, &server), ROUTE_CHOICE_SERVER);
    assert_int_equal(server, first);
}

/* A login that fails does not count. Of two servers the later one does. */
static void test_stay_undo(void **state)
{
    uint64_t first;
    uint64_t second;

    (void)state;
    memset(&stay, 0, sizeof(stay));
    assert_true(route_stay_begin(&stay, 7 << 20, 1, 1000, NOW_MS, &first));
    assert_true(route_stay_find(&stay, 7 << 20, NOW_MS).is_running);
    route_stay_undo(&stay, 7 << 20, 1, first);
    assert_int_equal(route_stay_find(&stay, 7 << 20, NOW_MS).server, 0);
    assert_false(route_stay_find(&stay, 7 << 20, NOW_MS).is_running);
    assert_true(route_stay_begin(&stay, 7 << 20, 1, 1000, NOW_MS, &first));
    assert_true(route_stay_begin(&stay, 7 << 20, 2, 1000, NOW_MS, &second));
    assert_int_equal(route_stay_find(&stay, 7 << 20, NOW_MS).server, 2);
    route_stay_end(&stay, 7 << 20, 1, 1000, NOW_MS);
    assert_int_equal(route_stay_find(&stay, 7 << 20, NOW_MS).server, 2);
    route_stay_undo(&stay, 7 << 20, 2, second);
    assert_int_equal(route_stay_find(&stay, 7 << 20, NOW_MS).server, 1);
    route_stay_end(&stay, 7 << 20, 2, 1000, NOW_MS); /* one too many */
    assert_false(route_stay_find(&stay, 7 << 20, NOW_MS).is_running);
}

/* Where the table is full, users with a session stay, and of the others those who went last. */
static void test_stay_full(void **state)
{
    enum { MANY = 100 };
    uint64_t before;
    size_t kept = 0;

    (void)state;
    memset(&stay, 0, sizeof(stay));
    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t key = i << 40; /* all have the same entries */

        assert_true(
            route_stay_begin(&stay, key + (1 << 16), 1, 1000, NOW_MS + (int64_t)i, &before));
        if (i >= 5)
            route_stay_end(&stay, key + (1 << 16), 1, 1000, NOW_MS + (int64_t)i);
    }
    for (uint64_t i = 0; i < MANY; i++) {
        bool is_kept = route_stay_find(&stay, (i << 40) + (1 << 16), NOW_MS + MANY).server == 1;

        kept += is_kept;
        if (i < 5 || i > MANY - 5)
            assert_true(is_kept);
    }
    assert_int_equal(kept, 16);
}

/* ---- the queue ---- */

static void test_queue(void **state)
{
    struct server_report report;
    uint32_t tickets[5];

    (void)state;
    assert_true(server_state_begin_login(&states[0], 2));
    assert_true(server_state_begin_login(&states[0], 2));
    assert_false(server_state_begin_login(&states[0], 2));
    for (int i = 0; i < 5; i++)
        tickets[i] = server_state_join(&states[0], NOW_MS);
    server_state_read(&states[0], NOW_MS, &report);
    assert_int_equal(report.waiting, 5);
    assert_int_equal(report.logins, 2);
    for (int i = 0; i < 5; i++)
        assert_false(may_begin(tickets[i], 2, NOW_MS));
    server_state_end_login(&states[0]);
    assert_false(server_state_begin_login(&states[0], 2)); /* others were there before */
    assert_false(may_begin(tickets[1], 2, NOW_MS));
    assert_true(may_begin(tickets[0], 2, NOW_MS));
    server_state_leave(&states[0], tickets[2], NOW_MS);
    server_state_end_login(&states[0]);
    server_state_end_login(&states[0]);
    assert_false(may_begin(tickets[4], 2, NOW_MS)); /* two are free, for the two before it */
    assert_true(may_begin(tickets[3], 2, NOW_MS) || may_begin(tickets[1], 2, NOW_MS));
    server_state_read(&states[0], NOW_MS, &report);
    assert_int_equal(report.waiting, 2);
}

/* One whose worker has died is passed over after a while, and so is one that was away: it may begin at
 * once when it is back. */
static void test_queue_of_the_dead(void **state)
{
    uint32_t dead;
    uint32_t next;

    (void)state;
    assert_true(server_state_begin_login(&states[0], 1));
    dead = server_state_join(&states[0], NOW_MS);
    next = server_state_join(&states[0], NOW_MS);
    server_state_end_login(&states[0]);
    assert_false(may_begin(next, 1, NOW_MS + 1000));
    assert_true(may_begin(next, 1, NOW_MS + 1001));
    server_state_end_login(&states[0]);
    assert_true(may_begin(dead, 1, NOW_MS + 1001));
    server_state_end_login(&states[0]);
    assert_true(server_state_begin_login(&states[0], 1));
}

/* More than the ring has places. */
static void test_long_queue(void **state)
{
    enum { WAITING = 3 * SERVER_QUEUE + 7 };
    uint32_t first = UINT32_MAX - 100; /* the tickets begin again at 0 */

    (void)state;
    states[0].next_ticket = states[0].turn = first;
    for (int i = 0; i < WAITING; i++)
        (void)server_state_join(&states[0], NOW_MS);
    for (uint32_t i = 0; i < WAITING; i++) {
        for (uint32_t later = i + 1; later < i + 1100 && later < WAITING; later++)
            assert_false(may_begin(first + later, 1, NOW_MS));
        assert_true(may_begin(first + i, 1, NOW_MS));
        server_state_end_login(&states[0]);
    }
    assert_true(server_state_begin_login(&states[0], 1));
}

/* No limit is asserted: that would measure the machine. The figure is for people. */
static void test_cost(void **state)
{
    enum { LOGINS = 200000 };
    struct timespec begin;
    struct timespec end;
    size_t sum = 0;

    (void)state;
    read_list("a.example.net,b.example.net,c.example.net,d.example.net,e.example.net,"
              "f.example.net,g.example.net,h.example.net,i.example.net,j.example.net");
    for (size_t i = 0; i < group.count; i++)
        group.servers[i].state = &states[i % 4];
    memset(&stay, 0, sizeof(stay));
    group.stay = &stay;
    group.stay_ms = 900000;
    group.slow_start_ms = 60000;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (int i = 0; i < LOGINS; i++) {
        char key[32];

        snprintf(key, sizeof(key), "user%d@example.net", i);
        sum += first_of(key);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    print_message("# a choice among %zu servers takes %.0f ns of CPU\n", group.count,
                  ((double)(end.tv_sec - begin.tv_sec) * 1e9 +
                   (double)(end.tv_nsec - begin.tv_nsec)) /
                      LOGINS);
    assert_in_range(sum, LOGINS * 4, LOGINS * 5);
}

/* Nothing that a broken worker may write makes a reader crash, or see a number out of its range. */
static void test_random_memory(void **state)
{
    uint64_t random = 88172645463325252;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        unsigned char *octets = (unsigned char *)states;
        struct server_report report;
        size_t server;

        for (size_t i = 0; i < sizeof(states); i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            octets[i] = round % 3 == 0 ? (unsigned char)random : (random & 7) == 0 ? 255 : 0;
        }
        group.is_checked = round % 2 == 0;
        group.hash = (enum route_group_hash)(round % 3);
        server_state_read(&states[0], NOW_MS, &report);
        assert_in_range(report.age_ms, 0, NOW_MS);
        assert_in_range(report.sessions, 0, 1 << 24);
        assert_in_range(report.waiting, 0, SERVER_QUEUE);
        assert_in_range(report.check_failure, 0, SERVER_FAILURE_COUNT);
        assert_true(report.check_us >= 0);
        if (choice("anna", &server) == ROUTE_CHOICE_SERVER)
            assert_in_range(server, 0, 3);
        (void)server_state_begin_session(&states[0], 5);
        (void)may_begin(server_state_join(&states[0], NOW_MS), 3, NOW_MS);
        server_state_end_session(&states[1]);
        (void)server_state_fail(&states[2], SERVER_FAILURE_TLS, 3, NOW_MS);
        (void)server_state_check(&states[3], SERVER_FAILURE_COUNT, 1, 3, 2, NOW_MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_list, set_up),
        cmocka_unit_test_setup(test_broken_lists, set_up),
        cmocka_unit_test_setup(test_order, set_up),
        cmocka_unit_test_setup(test_down_and_drained, set_up),
        cmocka_unit_test_setup(test_retry, set_up),
        cmocka_unit_test_setup(test_domain, set_up),
        cmocka_unit_test_setup(test_fewest_sessions, set_up),
        cmocka_unit_test_setup(test_failures, set_up),
        cmocka_unit_test_setup(test_checks, set_up),
        cmocka_unit_test_setup(test_counts, set_up),
        cmocka_unit_test_setup(test_broken_counts, set_up),
        cmocka_unit_test_setup(test_full, set_up),
        cmocka_unit_test_setup(test_slow_start, set_up),
        cmocka_unit_test_setup(test_stay, set_up),
        cmocka_unit_test_setup(test_stay_undo, set_up),
        cmocka_unit_test_setup(test_stay_full, set_up),
        cmocka_unit_test_setup(test_queue, set_up),
        cmocka_unit_test_setup(test_queue_of_the_dead, set_up),
        cmocka_unit_test_setup(test_long_queue, set_up),
        cmocka_unit_test_setup(test_cost, set_up),
        cmocka_unit_test_setup(test_random_memory, set_up),
    };

    if (!route_hash_is_supported()) {
        print_message("1..0 # SKIP built without libxxhash\n");
        return 0;
    }
    return cmocka_run_group_tests_name("route group", tests, NULL, tear_down);
}
