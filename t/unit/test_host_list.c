/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of hosts with ports: what an entry may be, and which hosts it matches.
 */
#include "base/host_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { DEFAULT_PORT = 110 };

static struct host_list *new_list(void)
{
    struct host_list *list = host_list_new();

    assert_non_null(list);
    return list;
}

static bool is_match(const struct host_list *list, const char *server)
{
    struct host_port parsed;

    if (host_port_parse(&parsed, server) == -1)
        fail_msg("\"%s\" is not a server", server);
    return host_list_is_match(list, &parsed, DEFAULT_PORT);
}

static void test_empty(void **state)
{
    struct host_list *list = new_list();

    (void)state;
    assert_false(is_match(list, "a"));
    host_list_free(list);
    host_list_free(NULL);
}

/* One entry, one server. */
static void test_matches(void **state)
{
    static const struct {
        const char *entry;
        const char *server;
        bool is_match;
    } rows[] = {
        {"host", "host", true},
        {"host", "host:110", true},
        {"host", "host:1110", false},
        {"host", "hos", false},
        {"host", "hostx", false},
        {"host:110", "host", true},
        {"host:1110", "host:1110", true},
        {"host:1110", "host", false},
        {"host:1110", "host:11100", false},
        {"host:*", "host", true},
        {"host:*", "host:1", true},
        {"host:*", "hosts:1", false},
        {"Host", "hOST", true},
        {"host.", "host", true},
        {"host", "host.", true},
        {"HOST.:1110", "host:1110", true},
        {"*.Example.net", "a.example.NET", true},
        {"*.example.net.", "a.example.net.", true},
        {"*.example.net", "a.b.example.net:110", true},
        {"*.example.net", "a.example.net:1110", false},
        {"*.example.net", "example.net", false},
        {"*.example.net", "a.example.net.evil", false},
        {"*.example.net:1110", "a.example.net:1110", true},
        {"*.example.net:1110", "a.example.net", false},
        {"*.example.net:*", "a.example.net:1", true},
        {"pop?.example.net", "pop3.example.net", true},
        {"pop?.example.net", "pop.example.net", false},
        /* No wildcard takes the colon. */
        {"*", "a.example", true},
        {"*", "a.example:110", true},
        {"*", "a.example:1110", false},
        {"*", "10.0.0.1", true},
        {"*", "::1", true},
        {"*:*", "a.example:1", true},
        {"*:*", "[::1]:1", true},
        {"*1110", "a.example:1110", false},
        {"a*", "a.example:1110", false},
        /* Addresses and names. */
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.1.", true},
        {"10.0.0.*", "10.0.0.1", true},
        {"10.0.0.*", "10.0.0.evil.test", false},
        {"10.0.0.*", "10.0.0.300", false},
        {"10.*", "10.0.0.1", true},
        {"10.*", "10.test", false},
        {"?0.0.0.1", "10.0.0.1", true},
        {"*.1", "10.0.0.1", true},
        {"*.1", "host.1", false},
        {"*.*", "a.b", true},
        {"*.*", "10.0.0.1", true},
        {"1*x", "1.x", true},
        {"f*", "fe80::1", false},
        {"*f", "::f", false},
        {"[::1]", "::1", true},
        {"::1", "[0:0::1]", true},
        {"[::1]:1110", "[::1]:1110", true},
        {"[::1]:1110", "[::1]", false},
        {"[::1]:*", "[::1]:7", true},
        {"[0::1]", "[::1]:110", true},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
        {"10.0.0.*", "[::ffff:10.0.0.7]", true},
        {"[2001:DB8:*]:*", "[2001:db8::1]:1", true},
        {"2001:db8:*", "2001:db8::1", true},
        {"2001:db8:*", "[2001:db8::1]:1110", false},
        {"2001:db8:*", "2001:db9::1", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct host_list *list = new_list();

        if (host_list_add(list, rows[i].entry) != 0)
            fail_msg("refused: \"%s\"", rows[i].entry);
        if (is_match(list, rows[i].server) != rows[i].is_match)
            fail_msg("\"%s\" against \"%s\"", rows[i].entry, rows[i].server);
        host_list_free(list);
    }
}

/* With another default port. */
static void test_default_port(void **state)
{
    struct host_port server = {.host = "host", .port = 995};
    struct host_list *list = new_list();

    (void)state;
    assert_int_equal(host_list_add(list, "host"), 0);
    assert_int_equal(host_list_add(list, "*.test"), 0);
    assert_true(host_list_is_match(list, &server, 995));
    assert_false(host_list_is_match(list, &server, 110));
    server.port = 0;
    assert_true(host_list_is_match(list, &server, 995));
    server = (struct host_port){.host = "a.test", .port = 995};
    assert_true(host_list_is_match(list, &server, 995));
    assert_false(host_list_is_match(list, &server, 110));
    host_list_free(list);
}

static void test_repeated(void **state)
{
    struct host_list *list = new_list();

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(host_list_add(list, i % 2 ? "host" : "HOST."), 0);
        assert_int_equal(host_list_add(list, i % 2 ? "*.net" : "*.NET."), 0);
        assert_int_equal(host_list_add(list, i % 2 ? "[::1]:5" : "[0:0::1]:5"), 0);
    }
    assert_true(is_match(list, "host"));
    assert_true(is_match(list, "a.net"));
    assert_true(is_match(list, "[::1]:5"));
    host_list_free(list);
}

static void test_bad_entries(void **state)
{
    static const char *const rows[] = {
        "", " ", " a", "a ", "a b", "a\tb", "a\n", "\x01", "a\x7f", "h\xc3\xb6st", "*\xc3", "-",
        "-a", ".", "..", ".a", "a..b", "a..", "a/b", "*/b", "a@b", "*,b", ":", ":110", "a:", "*:", "a:0",
        "a:65536", "a:0110", "a:99999999999999999999", "a:1x", "a:1*", "a:1?0", "*:?", "a:**", "[a]",
        "[*]", "[10.0.0.1]", "[::1", "[*::1", "[::1]x", "[*::1]1", "[::1]:", "[*::1]:0", "::1%nowhere-0",
        "g::1", "1:2:3",
    };
    struct host_list *list = new_list();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        errno = 0;
        if (host_list_add(list, rows[i]) != -1 || errno != EINVAL)
            fail_msg("taken: row %zu, \"%s\"", i, rows[i]);
    }
    host_list_free(list);
}

static void test_csv(void **state)
{
    static const char *const bad[] = {"", " ", ",", "a,", ",a", "a,,b", "a, ,b", "a b", "a,b c"};
    struct host_list *list = new_list();

    (void)state;
    assert_int_equal(host_list_add_csv(list, "a"), 0);
    assert_int_equal(host_list_add_csv(list, " b ,\tc:7\t,*.d , e"), 0);
    assert_true(is_match(list, "b"));
    assert_true(is_match(list, "c:7"));
    assert_true(is_match(list, "x.d"));
    assert_true(is_match(list, "e"));
    for (size_t i = 0; i < COUNT(bad); i++) {
        errno = 0;
        if (host_list_add_csv(list, bad[i]) != -1 || errno != EINVAL)
            fail_msg("taken: \"%s\"", bad[i]);
    }
    host_list_free(list);
}

/* Grows the table and the texts many times; a lookup must not slow down with the number. */
static void test_many(void **state)
{
    enum { MANY = 100000 };
    struct host_list *list = new_list();
    char name[64];
    clock_t start = clock();

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "Host%d.example.net%s", i, i % 3 == 0 ? ":*" : "");
        assert_int_equal(host_list_add(list, name), 0);
    }
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "*.domain%d", i);
        assert_int_equal(host_list_add(list, name), 0);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "hosT%d.example.net", i);
        assert_true(is_match(list, name));
    }
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "a.domain%d", i);
        assert_true(is_match(list, name));
    }
    snprintf(name, sizeof(name), "host%d.example.net", MANY);
    assert_false(is_match(list, name));
    assert_true(clock() - start < 10 * (clock_t)CLOCKS_PER_SEC);
    host_list_free(list);
}

/* Hosts of every length, with and without a wildcard, around the sizes of all buffers. */
static void test_every_length(void **state)
{
    char text[2 * HOST_PORT_TEXT_SIZE];

    (void)state;
    for (size_t n = 1; n + sizeof(":65535") < sizeof(text); n++) {
        struct host_list *list = new_list();
        int expected = n < ADDRESS_HOST_SIZE ? 0 : -1;

        memset(text, 'x', n);
        memcpy(text + n, ":65535", sizeof(":65535"));
        assert_int_equal(host_list_add(list, text), expected);
        if (expected == 0)
            assert_true(is_match(list, text));
        text[n / 2] = '*';
        assert_int_equal(host_list_add(list, text), expected);
        text[n / 2] = 'y';
        if (expected == 0)
            assert_true(is_match(list, text));
        host_list_free(list);
    }
}

static void fill_with_letters(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + (i * i * 7 + i / 3) % 26);
    text[n] = '\0';
}

/* Entries that begin alike are neighbours in the table now and then. */
static void test_prefixes(void **state)
{
    enum { LONGEST = ADDRESS_HOST_SIZE - 2 };
    struct host_list *list = new_list();
    char text[LONGEST + 2];

    (void)state;
    for (size_t n = 2; n <= LONGEST; n += 2) {
        fill_with_letters(text, n);
        assert_int_equal(host_list_add(list, text), 0);
    }
    for (size_t n = 1; n <= LONGEST + 1; n++) {
        fill_with_letters(text, n);
        assert_int_equal(is_match(list, text), n % 2 == 0);
    }
    host_list_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_default_port), cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_bad_entries),  cmocka_unit_test(test_csv),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_prefixes),
    };

    return cmocka_run_group_tests_name("host_list", tests, NULL, NULL);
}
