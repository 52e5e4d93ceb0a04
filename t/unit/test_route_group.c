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
    for (size_t i = 0; i < group.count; i++)
        group.servers[i].state = &states[i];
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
    struct route_tried tried = {{0}};
    size_t length = 0;
    size_t server;

    while (route_group_choose(&group, key, &tried, NOW_MS, &server) == ROUTE_CHOICE_SERVER) {
        text[length++] = group.servers[server].text[0];
        route_tried_add(&tried, server);
    }
    text[length] = '\0';
    return text;
}

static enum route_choice choice(const char *key, size_t *server_r)
{
    return route_group_choose(&group, key, &(struct route_tried){{0}}, NOW_MS, server_r);
}

static size_t first_of(const char *key)
{
    size_t server = 0;

    assert_int_equal(choice(key, &server), ROUTE_CHOICE_SERVER);
    return server;
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
        server_state_begin_session(&states[first_of(key)]);
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
    server_state_begin_session(&states[0]);
    server_state_begin_session(&states[0]);
    server_state_end_session(&states[0]);
    assert_int_equal(server_state_sessions(&states[0]), 1);
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
        assert_in_range(report.check_failure, 0, SERVER_FAILURE_COUNT);
        assert_true(report.check_us >= 0);
        if (choice("anna", &server) == ROUTE_CHOICE_SERVER)
            assert_in_range(server, 0, 3);
        server_state_begin_session(&states[0]);
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
        cmocka_unit_test_setup(test_random_memory, set_up),
    };

    if (!route_hash_is_supported()) {
        print_message("1..0 # SKIP built without libxxhash\n");
        return 0;
    }
    return cmocka_run_group_tests_name("route group", tests, NULL, tear_down);
}
