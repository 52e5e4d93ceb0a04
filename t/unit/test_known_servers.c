/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is kept of servers: for how long, for which of them, and what a broken worker may leave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/sasl.h"
#include "session/known_servers.h"

enum { NOW_MS = 5000000 };

static struct known_servers known;

static const struct server_facts some = {
    .has_capa = true,
    .mechanisms = 1U << SASL_MECHANISM_PLAIN | 1U << SASL_MECHANISM_EXTERNAL,
};

static bool is_same(const struct server_facts *a, const struct server_facts *b)
{
    return a->has_capa == b->has_capa && a->has_pipelining == b->has_pipelining &&
           a->answers_once == b->answers_once && a->takes_response == b->takes_response &&
           a->mechanisms == b->mechanisms;
}

static int begin(void **state)
{
    (void)state;
    memset(&known, 0, sizeof(known));
    return 0;
}

static void test_facts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct server_facts facts = {(i & 1) != 0, (i & 2) != 0, (i & 4) != 0, (i & 8) != 0,
                                     i * 7 % (1U << SASL_MECHANISM_COUNT)};
        struct server_facts found;

        known_servers_put(&known, 99, NOW_MS, &facts);
        assert_true(known_servers_find(&known, 99, NOW_MS, &found));
        assert_true(is_same(&found, &facts));
    }
}

static void test_time(void **state)
{
    struct server_facts found;

    (void)state;
    assert_false(known_servers_find(&known, 7, NOW_MS, &found));
    assert_false(known_servers_recall(&known, 7, &found));
    known_servers_put(&known, 7, NOW_MS, &some);
    assert_true(known_servers_find(&known, 7, NOW_MS + KNOWN_SERVERS_KEPT_MS - 1000, &found));
    assert_false(known_servers_find(&known, 7, NOW_MS + KNOWN_SERVERS_KEPT_MS, &found));
    assert_false(known_servers_find(&known, 7, NOW_MS - 2000, &found)); /* further ahead than an hour */
    assert_true(known_servers_recall(&known, 7, &found));
    assert_true(is_same(&found, &some));
    known_servers_remove(&known, 7);
    assert_false(known_servers_find(&known, 7, NOW_MS, &found));
    assert_false(known_servers_recall(&known, 7, &found));
}

static void test_entries(void **state)
{
    struct server_facts found;

    (void)state;
    known_servers_put(&known, 7, NOW_MS, &some);
    assert_false(known_servers_find(&known, 7 + KNOWN_SERVERS_MAX, NOW_MS, &found));
    known_servers_remove(&known, 7 + KNOWN_SERVERS_MAX);
    assert_true(known_servers_find(&known, 7, NOW_MS, &found));
    known_servers_put(&known, 7 + KNOWN_SERVERS_MAX, NOW_MS, &some);
    assert_false(known_servers_find(&known, 7, NOW_MS, &found)); /* it has lost its entry */
    known_servers_put(NULL, 7, NOW_MS, &some);
    known_servers_remove(NULL, 7);
    assert_false(known_servers_find(NULL, 7, NOW_MS, &found));
    assert_false(known_servers_recall(NULL, 7, &found));
}

/* Words of two writers, or of one that has died in the middle. */
static void test_torn_entry(void **state)
{
    struct server_facts found;
    uint64_t mark;

    (void)state;
    known_servers_put(&known, 7, NOW_MS, &some);
    mark = known.entries[7].mark;
    known_servers_put(&known, 7 + KNOWN_SERVERS_MAX, NOW_MS + 1000, &some);
    known.entries[7].mark = mark;
    assert_false(known_servers_find(&known, 7, NOW_MS, &found));
    assert_false(known_servers_find(&known, 7 + KNOWN_SERVERS_MAX, NOW_MS, &found));
}

static void test_keys(void **state)
{
    struct host_port name = {.host = "pop.example.org", .port = 110};
    struct host_port other = {.host = "pop.example.org", .port = 995};
    struct address address, next;

    (void)state;
    assert_int_equal(address_from_literal(&address, "192.0.2.7", 110), 0);
    assert_int_equal(address_from_literal(&next, "192.0.2.7", 111), 0);
    assert_true(known_servers_key(&address, false) == known_servers_key(&address, false));
    assert_true(known_servers_key(&address, false) != known_servers_key(&next, false));
    assert_true(known_servers_key(&address, false) != known_servers_key(&address, true));
    assert_true(known_servers_name_key(&name, false) != known_servers_name_key(&other, false));
    assert_true(known_servers_name_key(&name, false) != known_servers_name_key(&name, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_facts, begin),      cmocka_unit_test_setup(test_time, begin),
        cmocka_unit_test_setup(test_entries, begin),    cmocka_unit_test_setup(test_torn_entry, begin),
        cmocka_unit_test_setup(test_keys, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
