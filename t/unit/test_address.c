/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses and host:port texts: which are accepted, which are refused, and which count as the
 * same.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct address literal(const char *host, uint16_t port)
{
    struct address a;

    if (address_from_literal(&a, host, port) < 0)
        fail_msg("not a literal: %s", host);
    return a;
}

static struct address local(const char *path, size_t length)
{
    struct address a = {0};

    a.local.sun_family = AF_UNIX;
    memcpy(a.local.sun_path, path, length);
    a.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return a;
}

static void host_port_takes(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        bool is_literal;
    } rows[] = {
        {"pop.example.net", "pop.example.net", 0, false},
        {"pop.example.net:110", "pop.example.net", 110, false},
        {"POP-3_a.example.net.:65535", "pop-3_a.example.net", 65535, false},
        {"h:1", "h", 1, false},
        {"h.:1", "h", 1, false},
        {"azAZ09_", "azaz09_", 0, false},
        {"10.0.0.1:995", "10.0.0.1", 995, true},
        {"10.0.0.1.", "10.0.0.1", 0, true},
        {"10.0.0.300", "10.0.0.300", 0, false},
        {"10.0.0.evil.test", "10.0.0.evil.test", 0, false},
        {"::1", "::1", 0, true},
        {"0:0:0:0:0:0:0:1", "::1", 0, true},
        {"2001:DB8::0001", "2001:db8::1", 0, true},
        {"2001:db8::1:110", "2001:db8::1:110", 0, true},
        {"::ffff:1.2.3.4", "1.2.3.4", 0, true},
        {"[::FFFF:0102:304]:110", "1.2.3.4", 110, true},
        {"fe80::1%lo", "fe80::1%1", 0, true},
        {"[::1]", "::1", 0, true},
        {"[::1]:110", "::1", 110, true},
        {"[fe80::1%7]:110", "fe80::1%7", 110, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct host_port hp;

        memset(&hp, 0xff, sizeof(hp));
        if (host_port_parse(&hp, rows[i].text) != 0)
            fail_msg("refused: %s", rows[i].text);
        assert_string_equal(hp.host, rows[i].host);
        assert_int_equal(hp.port, rows[i].port);
        assert_int_equal(hp.is_literal, rows[i].is_literal);
    }
}

static void host_port_refuses(void **state)
{
    static const char *const rows[] = {
        "",
        ":",
        ":110",
        "host:",
        "host:0",
        "host:65536",
        "host:99999",
        "host:655350",
        "host:0110",
        "host:+1",
        "host:-1",
        "host: 1",
        "host:1 ",
        "host:1x",
        "host:0x10",
        " host",
        "host ",
        "ho st",
        "host\t",
        "host\r\n",
        "host\n:110",
        "h\x80st",
        "h\xc3\xa4st",
        "h/st",
        "h@st",
        "h%st",
        "h*st",
        "h$st",
        "h,st",
        "h\x7fst",
        ".",
        "..",
        ".host",
        "ho..st",
        "host..",
        "host..:110",
        "-",
        "-host",
        "-host:110",
        "[",
        "[]",
        "[]:110",
        "[::1",
        "[::1]x",
        "[::1]110",
        "[::1]:",
        "[::1]:0",
        "[::1]:110:",
        "[::1]]:110",
        "[[::1]]:110",
        "[host]",
        "[host]:110",
        "[10.0.0.1]:110",
        "x[::1]:110",
        "::1]",
        ":::",
        "1:2:3",
        "host:1:2",
        "::1%1",
        "[::1%1]:110",
        "[2001:db8::1%eth0]:110",
        "[fe80::1%]:110",
        "[fe80::1%-]:110",
        "[fe80::1%a%b]:110",
        "[fe80::1%eth0/]:110",
        "[fe80::1%sixteen-octets00]:1",
        "[fe80::1%a.good.test]",
        "fe80::1%a.good.test",
        "fe80::1%nowhere0",
        "[::1.]:110",
        "::ffff:1.2.3.4.5",
        "12345::",
        "g::1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const struct host_port zero;
        struct host_port hp;

        memset(&hp, 0xff, sizeof(hp));
        if (host_port_parse(&hp, rows[i]) != -1)
            fail_msg("taken: %s", rows[i]);
        if (memcmp(&hp, &zero, sizeof(hp)) != 0)
            fail_msg("wrote to the result: %s", rows[i]);
    }
}

static void host_port_lengths(void **state)
{
    char text[ADDRESS_HOST_SIZE + 64];
    struct host_port hp;

    (void)state;
    for (size_t n = 1; n + sizeof(":65535") <= sizeof(text); n++) {
        int expected = n < ADDRESS_HOST_SIZE ? 0 : -1;

        memset(text, 'a', sizeof(text));
        text[n] = '\0';
        assert_int_equal(host_port_parse(&hp, text), expected);
        assert_int_equal(strlen(hp.host), expected == 0 ? n : 0);
        memcpy(text + n, ":65535", sizeof(":65535"));
        assert_int_equal(host_port_parse(&hp, text), expected);
        assert_int_equal(strlen(hp.host), expected == 0 ? n : 0);
        assert_int_equal(hp.port, expected == 0 ? 65535 : 0);
    }
}

/* Wrong literals of every length: the copies that the parser makes must have room for them. */
static void overlong_literals(void **state)
{
    char text[400];

    (void)state;
    for (size_t n = 1; n < sizeof(text); n++) {
        struct address_network network;
        struct address a;
        struct host_port hp;

        memset(text, '1', n);
        text[n] = '\0';
        assert_int_equal(address_from_literal(&a, text, 1), -1);
        assert_int_equal(address_network_parse(&network, text), -1);
        assert_int_equal(address_parse_listen(&a, text), -1);
        memset(text, ':', n);
        if (n != 2) {
            assert_int_equal(address_from_literal(&a, text, 1), -1);
            assert_int_equal(address_network_parse(&network, text), -1);
            assert_int_equal(host_port_parse(&hp, text), -1);
        }
    }
}

static void nothing_left_behind(void **state)
{
    static const char zero[sizeof(((struct sockaddr_in *)0)->sin_zero)];
    struct address a;

    (void)state;
    memset(&a, 0xff, sizeof(a));
    assert_int_equal(address_from_literal(&a, "1.2.3.4", 110), 0);
    assert_memory_equal(a.in4.sin_zero, zero, sizeof(zero));
    memset(&a, 0xff, sizeof(a));
    assert_int_equal(address_from_literal(&a, "::1", 110), 0);
    assert_int_equal(a.in6.sin6_flowinfo, 0);
    assert_int_equal(a.in6.sin6_scope_id, 0);
    memset(&a, 0xff, sizeof(a));
    assert_int_equal(address_parse_listen(&a, "/x"), 0);
    assert_int_equal(a.length, offsetof(struct sockaddr_un, sun_path) + sizeof("/x"));
    assert_int_equal(a.local.sun_path[sizeof(a.local.sun_path) - 1], 0);
}

static void literals(void **state)
{
    static const char *const good[] = {"0.0.0.0",     "255.255.255.255", "::",       "::1",
                                       "2001:DB8::1", "::ffff:1.2.3.4",  "fe80::1%7"};
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "0x7f.1",
        "localhost",
        "[::1]",
        "::1%7",
        "::1 ",
        "fe80::1%",
        "fe80::1%0",
        "fe80::1%nosuchif9",
        "fe80::1%4294967296",
        "1.2.3.4%1",
        "1.2.3.4:110",
        ":",
        "::ffff:1.2.3.4%1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct address a = literal(good[i], 110);

        assert_int_equal(address_port(&a), 110);
        assert_true(a.length == (a.sa.sa_family == AF_INET ? sizeof(a.in4) : sizeof(a.in6)));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct address a;

        if (address_from_literal(&a, bad[i], 110) != -1)
            fail_msg("taken: %s", bad[i]);
    }
}

static void scopes(void **state)
{
    struct address by_number = literal("fe80::1%7", 110);
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(by_number.in6.sin6_scope_id, 7);
    assert_string_equal(address_host_text(&by_number, text), "fe80::1%7");
    assert_string_equal(address_text(&by_number, text), "[fe80::1%7]:110");
}

static void scopes_by_name(void **state)
{
    unsigned loopback = if_nametoindex("lo");
    struct address by_name;

    (void)state;
    if (loopback == 0)
        skip();
    by_name = literal("fe80::1%lo", 110);
    assert_int_equal(by_name.in6.sin6_scope_id, loopback);
}

static void listen_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *canonical;
    } good[] = {
        {"127.0.0.1:110", "127.0.0.1:110"},
        {"*:110", "0.0.0.0:110"},
        {"[::]:110", "[::]:110"},
        {"[2001:DB8::1]:0", "[2001:db8::1]:0"},
        {"1.2.3.4:0", "1.2.3.4:0"},
        {"/run/pop3.sock", "/run/pop3.sock"},
        {"[::ffff:1.2.3.4]:5", "1.2.3.4:5"},
    };
    static const char *const bad[] = {
        "",
        "*",
        "*:",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:00",
        ":110",
        "localhost:110",
        "::1",
        "::1:110",
        "[::1]",
        "[::1]:",
        "[127.0.0.1]:110",
        "[*]:110",
        "[]:1",
        "*:110 ",
        "**:110",
        "run/x",
        "[::1%1]:110",
        "1.2.3.4:1:2",
        "*:-1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address a;

        if (address_parse_listen(&a, good[i].text) != 0)
            fail_msg("refused: %s", good[i].text);
        assert_string_equal(address_text(&a, text), good[i].canonical);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct address a;

        if (address_parse_listen(&a, bad[i]) != -1)
            fail_msg("taken: %s", bad[i]);
    }
}

static void listen_lengths(void **state)
{
    char path[300];
    char text[ADDRESS_TEXT_SIZE];
    struct address a;

    (void)state;
    memset(path, '/', sizeof(path));
    path[sizeof(a.local.sun_path) - 1] = '\0';
    assert_int_equal(address_parse_listen(&a, path), 0);
    assert_int_equal(a.sa.sa_family, AF_UNIX);
    assert_string_equal(address_text(&a, text), path);
    assert_string_equal(address_host_text(&a, text), "");
    path[sizeof(a.local.sun_path) - 1] = '/';
    path[sizeof(a.local.sun_path)] = '\0';
    assert_int_equal(address_parse_listen(&a, path), -1);
    memset(path, '1', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(address_parse_listen(&a, path), -1);
}

static void networks_parse(void **state)
{
    static const struct {
        const char *text;
        int family;
        unsigned bits;
    } good[] = {
        {"10.0.0.0/8", AF_INET, 8},          {"0.0.0.0/0", AF_INET, 0},
        {"10.1.2.3", AF_INET, 32},           {"10.1.2.3/32", AF_INET, 32},
        {"10.1.2.128/25", AF_INET, 25},      {"::/0", AF_INET6, 0},
        {"2001:db8::/32", AF_INET6, 32},     {"2001:db8::1", AF_INET6, 128},
        {"::ffff:10.0.0.0/104", AF_INET, 8}, {"::ffff:10.1.2.3", AF_INET, 32},
        {"::ffff:0:0/96", AF_INET, 0},
    };
    static const char *const bad[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        "10.0.0.0 /8",
        "10.0.0/8",
        "10.0.0.0/8/8",
        "::/129",
        "::1/64",
        "::1/127",
        "10.0.0.1/31",
        "1.0.0.0/0",
        "::ffff:0:0/90",
        "fe80::%1/10",
        "fe80::1%1",
        "host/8",
        "10.0.0.0/4294967304",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999/64",
        "[::]/0",
        "*",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct address_network n;

        if (address_network_parse(&n, good[i].text) != 0)
            fail_msg("refused: %s", good[i].text);
        assert_int_equal(n.base.sa.sa_family, good[i].family);
        assert_int_equal(n.bits, good[i].bits);
        assert_int_equal(address_port(&n.base), 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct address_network n;

        if (address_network_parse(&n, bad[i]) != -1)
            fail_msg("taken: %s", bad[i]);
    }
}

static void networks_contain(void **state)
{
    static const struct {
        const char *network;
        const char *address;
        bool is_inside;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
        {"::ffff:10.0.0.0/104", "10.1.1.1", true},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.2", false},
        {"10.1.2.128/25", "10.1.2.127", false},
        {"10.1.2.128/25", "10.1.2.128", true},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "1.2.3.4", false},
        {"::/0", "::ffff:1.2.3.4", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"fe80::/10", "fe80::1%1", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"2001:db8::/127", "2001:db8::1", true},
    };
    struct address unset = {0};
    struct address unix_socket = local("/run/x", sizeof("/run/x"));
    struct address_network n;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address a = literal(rows[i].address, 110);

        assert_int_equal(address_network_parse(&n, rows[i].network), 0);
        if (address_network_contains(&n, &a) != rows[i].is_inside)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
    }
    assert_int_equal(address_network_parse(&n, "0.0.0.0/0"), 0);
    assert_false(address_network_contains(&n, &unset));
    assert_false(address_network_contains(&n, &unix_socket));
    memset(&n, 0, sizeof(n));
    assert_false(address_network_contains(&n, &unset));
}

static void texts(void **state)
{
    struct address longest = literal("fe80:1111:2222:3333:4444:5555:6666:7777%4294967295", 65535);
    struct address v4 = literal("1.2.3.4", 0);
    struct address mapped = literal("::ffff:1.2.3.4", 110);
    struct address unset = {0};
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_string_equal(address_text(&longest, text),
                        "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535");
    assert_string_equal(address_text(&v4, text), "1.2.3.4:0");
    assert_string_equal(address_host_text(&v4, text), "1.2.3.4");
    assert_string_equal(address_text(&mapped, text), "1.2.3.4:110");
    assert_string_equal(address_host_text(&mapped, text), "1.2.3.4");
    assert_ptr_equal(address_text(&unset, text), text);
    assert_string_equal(text, "");
    assert_string_equal(address_host_text(&unset, text), "");
}

static void texts_of_unix_sockets(void **state)
{
    struct address full = {0};
    struct address unnamed = local("", 0);
    struct address abstract = local("\0a\nb\x80", 5);
    struct address lies = local("/x", 2);
    struct address only_nul = local("\0", 1);
    struct address limits = local("/ ~\x1f\x7f", 5);
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_string_equal(address_text(&unnamed, text), "");
    assert_string_equal(address_text(&abstract, text), "@a?b?");
    assert_string_equal(address_text(&only_nul, text), "");
    assert_string_equal(address_text(&limits, text), "/ ~??");
    full.local.sun_family = AF_UNIX;
    memset(full.local.sun_path, 'p', sizeof(full.local.sun_path));
    full.length = sizeof(full.local);
    assert_int_equal(strlen(address_text(&full, text)), sizeof(full.local.sun_path));
    lies.length = sizeof(lies.storage) + 100;
    assert_string_equal(address_text(&lies, text), "/x");
    lies.length = 0;
    assert_string_equal(address_text(&lies, text), "");
}

static void ports(void **state)
{
    struct address v4 = literal("1.2.3.4", 1);
    struct address v6 = literal("::1", 1);
    struct address unset = {0};
    struct address unix_socket = local("/run/x", sizeof("/run/x"));
    struct address before = unix_socket;

    (void)state;
    address_set_port(&v4, 65535);
    address_set_port(&v6, 995);
    address_set_port(&unset, 1);
    address_set_port(&unix_socket, 1);
    assert_int_equal(address_port(&v4), 65535);
    assert_int_equal(ntohs(v4.in4.sin_port), 65535);
    assert_int_equal(address_port(&v6), 995);
    assert_int_equal(address_port(&unset), 0);
    assert_int_equal(address_port(&unix_socket), 0);
    assert_memory_equal(&unix_socket.storage, &before.storage, sizeof(before.storage));
}

static void unmap(void **state)
{
    struct address mapped = literal("::ffff:1.2.3.4", 110);
    struct address v4 = literal("1.2.3.4", 110);
    struct address compatible = literal("::1.2.3.4", 110);
    struct address before = compatible;

    (void)state;
    address_unmap(&mapped);
    assert_int_equal(mapped.sa.sa_family, AF_INET);
    assert_int_equal(mapped.length, sizeof(mapped.in4));
    assert_memory_equal(&mapped.in4, &v4.in4, sizeof(v4.in4));
    address_unmap(&v4);
    assert_memory_equal(&mapped.in4, &v4.in4, sizeof(v4.in4));
    address_unmap(&compatible);
    assert_memory_equal(&compatible.in6, &before.in6, sizeof(before.in6));
}

static void equality(void **state)
{
    static const struct {
        const char *a;
        uint16_t a_port;
        const char *b;
        uint16_t b_port;
        bool is_equal;
    } rows[] = {
        {"1.2.3.4", 110, "1.2.3.4", 110, true},
        {"1.2.3.4", 110, "1.2.3.4", 111, false},
        {"1.2.3.4", 110, "1.2.3.5", 110, false},
        {"1.2.3.4", 110, "::ffff:1.2.3.4", 110, true},
        {"::1", 110, "::1", 110, true},
        {"::1", 110, "::1", 111, false},
        {"::1", 110, "::2", 110, false},
        {"::1", 110, "127.0.0.1", 110, false},
        {"fe80::1%1", 110, "fe80::1%2", 110, false},
        {"fe80::1%1", 110, "fe80::1%1", 110, true},
        {"0.0.0.0", 110, "::", 110, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address a = literal(rows[i].a, rows[i].a_port);
        struct address b = literal(rows[i].b, rows[i].b_port);

        if (address_is_equal(&a, &b) != rows[i].is_equal ||
            address_is_equal(&b, &a) != rows[i].is_equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

static void equality_ignores_padding(void **state)
{
    struct address a = literal("::1", 110);
    struct address b = literal("::1", 110);
    struct address c = literal("1.2.3.4", 110);
    struct address d = literal("1.2.3.4", 110);

    (void)state;
    b.in6.sin6_flowinfo = 7;
    memset(d.in4.sin_zero, 0xff, sizeof(d.in4.sin_zero));
    assert_true(address_is_equal(&a, &b));
    assert_true(address_is_equal(&c, &d));
}

static void equality_of_unix_sockets(void **state)
{
    struct address path = local("/run/x", sizeof("/run/x") - 1);
    struct address with_nul = local("/run/x", sizeof("/run/x"));
    struct address other = local("/run/y", sizeof("/run/y"));
    struct address longer = local("/run/xy", sizeof("/run/xy"));
    struct address abstract = local("\0x", 2);
    struct address abstract_longer = local("\0x\0", 3);
    struct address unnamed = local("", 0);
    struct address only_nul = local("\0", 1);
    struct address shortest = local("x", 1);
    struct address unset = {0};

    (void)state;
    assert_true(address_is_equal(&path, &with_nul));
    assert_false(address_is_equal(&path, &other));
    assert_false(address_is_equal(&path, &longer));
    assert_true(address_is_equal(&abstract, &abstract));
    assert_false(address_is_equal(&abstract, &abstract_longer));
    assert_false(address_is_equal(&unnamed, &unnamed));
    assert_false(address_is_equal(&only_nul, &only_nul));
    assert_true(address_is_equal(&shortest, &shortest));
    assert_true(address_is_covered_by(&path, &with_nul));
    assert_false(address_is_covered_by(&path, &other));
    assert_false(address_is_equal(&unset, &unset));
    assert_false(address_is_equal(&unset, &path));
}

static void loops(void **state)
{
    static const struct {
        const char *server;
        uint16_t server_port;
        const char *listener;
        bool is_covered;
    } rows[] = {
        {"1.2.3.4", 110, "1.2.3.4", true},
        {"1.2.3.4", 111, "1.2.3.4", false},
        {"1.2.3.5", 110, "1.2.3.4", false},
        {"1.2.3.4", 110, "0.0.0.0", true},
        {"1.2.3.4", 111, "0.0.0.0", false},
        {"1.2.3.4", 110, "::", true},
        {"::1", 110, "::", true},
        {"::1", 110, "0.0.0.0", false},
        {"::ffff:1.2.3.4", 110, "1.2.3.4", true},
        {"1.2.3.4", 110, "::ffff:1.2.3.4", true},
        {"::ffff:1.2.3.4", 110, "0.0.0.0", true},
        {"1.2.3.4", 110, "::ffff:0.0.0.0", true},
        {"0.0.0.0", 110, "127.0.0.1", true},
        {"0.0.0.0", 110, "1.2.3.4", false},
        {"0.0.0.0", 110, "0.0.0.0", true},
        {"::", 110, "::1", true},
        {"::", 110, "::", true},
        {"::", 110, "127.0.0.1", false},
        {"0.0.0.0", 110, "::", true},
        {"::ffff:0.0.0.0", 110, "127.0.0.1", true},
        {"127.0.0.2", 110, "127.0.0.1", false},
    };
    struct address unset = {0};
    struct address any = literal("::", 0);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address a = literal(rows[i].server, rows[i].server_port);
        struct address listener = literal(rows[i].listener, 110);

        if (address_is_covered_by(&a, &listener) != rows[i].is_covered)
            fail_msg("%s:%u by %s", rows[i].server, (unsigned)rows[i].server_port,
                     rows[i].listener);
    }
    assert_false(address_is_covered_by(&unset, &any));
    assert_false(address_is_covered_by(&any, &unset));
    assert_false(address_is_covered_by(&unset, &unset));
}

static uint64_t key_of(const char *host, uint16_t port)
{
    struct address a = literal(host, port);

    return address_account_key(&a);
}

static void account_keys(void **state)
{
    struct address unset = {0};
    struct address unix_socket = local("/run/x", sizeof("/run/x"));

    (void)state;
    assert_true(key_of("1.2.3.4", 1) == key_of("::ffff:1.2.3.4", 2));
    assert_true(key_of("1.2.3.4", 1) != key_of("1.2.3.5", 1));
    assert_true(key_of("2001:db8::1", 1) == key_of("2001:db8::ffff:ffff:ffff:ffff", 2));
    assert_true(key_of("2001:db8::1", 1) != key_of("2001:db8:0:1::1", 1));
    assert_true(key_of("2001:db8:0:2::1", 1) == UINT64_C(0x20010db800000002));
    assert_true(key_of("0.0.0.0", 1) != 0);
    assert_true(key_of("::", 1) != 0);
    assert_true(key_of("::1", 1) != 0);
    assert_true(key_of("0.0.0.1", 1) != key_of("::1", 1));
    assert_true(key_of("1.2.3.4", 1) != key_of("0:0:102:304::1", 1));
    assert_true(address_account_key(&unset) == 0);
    assert_true(address_account_key(&unix_socket) == 0);
}

/* ---- host and port as text ---- */

static void test_host_port_text(void **state)
{
    char text[HOST_PORT_TEXT_SIZE];
    char host[ADDRESS_HOST_SIZE];
    struct host_port hp;

    (void)state;
    assert_string_equal(host_port_text("a.example", 1, text), "a.example:1");
    assert_string_equal(host_port_text("192.0.2.1", 65535, text), "192.0.2.1:65535");
    assert_string_equal(host_port_text("fe80::1%2", 110, text), "[fe80::1%2]:110");
    memset(host, 'a', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    assert_int_equal(strlen(host_port_text(host, 65535, text)), sizeof(host) - 1 + 6);
    assert_int_equal(host_port_parse(&hp, text), 0);
    assert_string_equal(hp.host, host);
}

/* ---- the ends of a socket ---- */

static void test_ends(void **state)
{
    struct address any = {0};
    struct address own;
    struct address other;
    int fds[2];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(address_from_literal(&any, "127.0.0.1", 0), 0);
    assert_int_equal(bind(listener, &any.sa, any.length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_true(address_of_own_end(listener, &own));
    assert_int_not_equal(address_port(&own), 0);
    assert_false(address_of_other_end(listener, &other));
    assert_int_equal(other.sa.sa_family, AF_UNSPEC);
    assert_int_equal(connect(fd, &own.sa, own.length), 0);
    assert_true(address_of_other_end(fd, &other));
    assert_true(address_is_equal(&other, &own));
    close(fd);
    close(listener);
    assert_int_equal(pipe(fds), 0);
    assert_false(address_of_own_end(fds[0], &own));
    assert_int_equal(own.sa.sa_family, AF_UNSPEC);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_port_takes),
        cmocka_unit_test(host_port_refuses),
        cmocka_unit_test(host_port_lengths),
        cmocka_unit_test(overlong_literals),
        cmocka_unit_test(nothing_left_behind),
        cmocka_unit_test(literals),
        cmocka_unit_test(scopes),
        cmocka_unit_test(scopes_by_name),
        cmocka_unit_test(listen_addresses),
        cmocka_unit_test(listen_lengths),
        cmocka_unit_test(networks_parse),
        cmocka_unit_test(networks_contain),
        cmocka_unit_test(texts),
        cmocka_unit_test(texts_of_unix_sockets),
        cmocka_unit_test(ports),
        cmocka_unit_test(unmap),
        cmocka_unit_test(equality),
        cmocka_unit_test(equality_ignores_padding),
        cmocka_unit_test(equality_of_unix_sockets),
        cmocka_unit_test(loops),
        cmocka_unit_test(account_keys),
        cmocka_unit_test(test_host_port_text),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
