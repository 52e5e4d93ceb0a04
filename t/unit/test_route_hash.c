/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Weighted rendezvous hashing: the vectors that every version must give, and what the choice
 * promises over a million users.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "route/route_hash.h"

enum { USERS = 1000000, SERVERS = 10 };

/* Made by another program: printf 'LOGIN\0SERVER' | xxhsum -H1 */
static const struct {
    const char *login;
    const char *server;
    uint64_t hash;
} vectors[] = {
    {"", "", 0xe934a84adb052768},
    {"anna@example.net", "a.example.net", 0x2d0fd892b9cab13b},
    {"anna@example.net", "b.example.net", 0xf740f443994ed56a},
    {"anna@example.net", "c.example.net:1110", 0x566e074169575b52},
    {"bert", "c.example.net:1110", 0x5f2409c4b283a94a},
};

/* A group: names, weights, and in which order the list has them. */
struct group {
    size_t order[SERVERS];
    double weights[SERVERS];
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_true(route_hash(vectors[i].login, strlen(vectors[i].login), vectors[i].server,
                               strlen(vectors[i].server)) == vectors[i].hash);
}

/* By hand, with the whole 64 bits as a fraction. */
static void test_scores(void **state)
{
    double score = route_hash_score(0x2d0fd892b9cab13b, 100);

    (void)state;
    assert_true(fabs(score - 100 / -log((double)0x2d0fd892b9cab13b / 18446744073709551616.0)) < 1e-9);
    assert_true(route_hash_score(0x2d0fd892b9cab13b, 50) * 2 == score);
    assert_true(route_hash_score(0x2d0fd892b9cab13b, 0) == 0);
    assert_true(isfinite(route_hash_score(0, 100)) && route_hash_score(0, 100) > 0);
    assert_true(isfinite(route_hash_score(UINT64_MAX, 100)));
}

static struct group equal_group(void)
{
    struct group group;

    for (size_t i = 0; i < SERVERS; i++) {
        group.order[i] = i;
        group.weights[i] = 100;
    }
    return group;
}

static size_t choose(const struct group *group, size_t user)
{
    char login[32];
    int length = snprintf(login, sizeof(login), "user%zu@example.net", user);
    double most = 0;
    size_t chosen = SERVERS;

    for (size_t i = 0; i < SERVERS; i++) {
        size_t server = group->order[i];
        char name[32];
        int name_length = snprintf(name, sizeof(name), "store%zu.example.net", server);
        double score = route_hash_score(
            route_hash(login, (size_t)length, name, (size_t)name_length), group->weights[server]);

        if (score > most) {
            most = score;
            chosen = server;
        }
    }
    return chosen;
}

static unsigned char first[USERS];

static int make_first(void **state)
{
    struct group group = equal_group();

    (void)state;
    for (size_t user = 0; user < USERS; user++)
        first[user] = (unsigned char)choose(&group, user);
    return 0;
}

static void test_users_are_spread_evenly(void **state)
{
    size_t counts[SERVERS] = {0};
    size_t most = 0;

    (void)state;
    for (size_t user = 0; user < USERS; user++)
        counts[first[user]]++;
    for (size_t i = 0; i < SERVERS; i++)
        most = counts[i] > most ? counts[i] : most;
    print_message("# max/mean of %d users over %d servers: %.4f\n", USERS, SERVERS,
                  (double)most * SERVERS / USERS);
    assert_true((double)most * SERVERS / USERS <= 1.01);
}

/* Who moves when the group changes: counts of users by the server they had and the one they get. */
static void count_moves(const struct group *changed, size_t moves[SERVERS][SERVERS])
{
    memset(moves, 0, SERVERS * sizeof(moves[0]));
    for (size_t user = 0; user < USERS; user++)
        moves[first[user]][choose(changed, user)]++;
}

static void test_only_users_of_a_lost_server_move(void **state)
{
    struct group group = equal_group();
    size_t moves[SERVERS][SERVERS];
    size_t lost = 0;

    (void)state;
    group.weights[3] = 0;
    count_moves(&group, moves);
    for (size_t to = 0; to < SERVERS; to++)
        lost += moves[3][to];
    for (size_t from = 0; from < SERVERS; from++)
        for (size_t to = 0; to < SERVERS; to++)
            if (from != 3 && from != to)
                assert_int_equal(moves[from][to], 0);
    assert_int_equal(moves[3][3], 0);
    /* All other servers get about a ninth of them. */
    for (size_t to = 0; to < SERVERS; to++)
        if (to != 3)
            assert_true(moves[3][to] > lost / 10 && moves[3][to] < lost / 8);
}

static void test_order_of_the_list_is_nothing(void **state)
{
    struct group group = equal_group();

    (void)state;
    for (size_t i = 0; i < SERVERS; i++)
        group.order[i] = (i * 7 + 3) % SERVERS;
    for (size_t user = 0; user < USERS; user += 7)
        assert_int_equal(choose(&group, user), first[user]);
}

static void test_half_the_weight_moves_half_the_users(void **state)
{
    struct group group = equal_group();
    size_t moves[SERVERS][SERVERS];
    size_t had = 0;

    (void)state;
    group.weights[5] = 50;
    count_moves(&group, moves);
    for (size_t from = 0; from < SERVERS; from++)
        for (size_t to = 0; to < SERVERS; to++)
            if (from != 5 && from != to)
                assert_int_equal(moves[from][to], 0);
    for (size_t to = 0; to < SERVERS; to++)
        had += moves[5][to];
    /* It keeps 50 of 950 parts where it had 100 of 1000. */
    assert_true(fabs((double)moves[5][5] / (double)had - 0.5263) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_users_are_spread_evenly),
        cmocka_unit_test(test_only_users_of_a_lost_server_move),
        cmocka_unit_test(test_order_of_the_list_is_nothing),
        cmocka_unit_test(test_half_the_weight_moves_half_the_users),
    };

    if (!route_hash_is_supported()) {
        print_message("1..0 # SKIP built without libxxhash\n");
        return 0;
    }
    return cmocka_run_group_tests_name("route hash", tests, make_first, NULL);
}
