/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PROXY protocol header: what is accepted, what is refused, what is built, and that a reader
 * that reads `more` octets never reads the client's octets too. Headers are in blocks of exactly
 * their size, so that a sanitizer sees a read beyond them.
 */
#include "pop3/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A string constant with NULs inside, as pointer and length. */
#define OCTETS(literal) literal, sizeof(literal) - 1

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* The address blocks of 192.0.2.1:4660 to 198.51.100.2:110, and of 2001:db8::1 to 2001:db8::2. */
#define BLOCK4      "\xc0\0\2\1\xc6\x33\x64\2\x12\x34\0\x6e"
#define V6_HEAD     "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0"
#define BLOCK6      V6_HEAD "\1" V6_HEAD "\2\x12\x34\0\x6e"
#define MAPPED_HEAD "\0\0\0\0\0\0\0\0\0\0\xff\xff"

static enum proxy_header_result parse(struct proxy_header *header, enum proxy_header_accept accept,
                                      const void *data, size_t length)
{
    void *copy = malloc(length > 0 ? length : 1);
    enum proxy_header_result result;

    assert_non_null(copy);
    memcpy(copy, data, length);
    memset(header, 0xff, sizeof(*header));
    result = proxy_header_parse(header, accept, copy, length);
    free(copy);
    return result;
}

struct good_row {
    const char *data;
    size_t length;
    const char *source; /* NULL if the socket's addresses are used */
    const char *destination;
};

#define BLOCK6_TEXTS "[2001:db8::1]:4660", "[2001:db8::2]:110"
#define BLOCK4_TEXTS "192.0.2.1:4660", "198.51.100.2:110"

static const struct good_row v1_good[] = {
    {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 4660 110\r\n"), BLOCK4_TEXTS},
    {OCTETS("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535",
     "255.255.255.255:65535"},
    {OCTETS("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0", "0.0.0.0:0"},
    {OCTETS("PROXY TCP6 2001:db8::1 2001:db8::2 4660 110\r\n"), BLOCK6_TEXTS},
    {OCTETS("PROXY TCP6 2001:0DB8:0:0:0:0:0:1 2001:0db8::0002 4660 110\r\n"), BLOCK6_TEXTS},
    {OCTETS("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {OCTETS("PROXY TCP6 :: :: 0 0\r\n"), "[::]:0", "[::]:0"},
    {OCTETS("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 4660 110\r\n"), BLOCK4_TEXTS},
    {OCTETS("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4660 110\r\n"), "192.0.2.1:4660",
     "[2001:db8::2]:110"},
    {OCTETS("PROXY UNKNOWN\r\n"), NULL, NULL},
    {OCTETS("PROXY UNKNOWN \r\n"), NULL, NULL},
    {OCTETS("PROXY UNKNOWN whatever  ~ stands here\r\n"), NULL, NULL},
    {OCTETS("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     NULL, NULL},
    /* As HAProxy 2.6 sent them. */
    {OCTETS("PROXY TCP4 127.0.0.1 127.0.0.1 42954 21110\r\n"), "127.0.0.1:42954",
     "127.0.0.1:21110"},
    {OCTETS("PROXY TCP6 ::1 ::1 46428 21110\r\n"), "[::1]:46428", "[::1]:21110"},
};

static const struct good_row v2_good[] = {
    {OCTETS(SIGNATURE "\x21\x11\0\x0c" BLOCK4), BLOCK4_TEXTS},
    {OCTETS(SIGNATURE "\x21\x21\0\x24" BLOCK6), BLOCK6_TEXTS},
    {OCTETS(SIGNATURE "\x21\x21\0\x24" MAPPED_HEAD "\xc0\0\2\1" MAPPED_HEAD
                      "\xc6\x33\x64\2\x12\x34\0\x6e"),
     BLOCK4_TEXTS},
    {OCTETS(SIGNATURE "\x20\0\0\0"), NULL, NULL},
    {OCTETS(SIGNATURE "\x20\x11\0\x0c" BLOCK4), NULL, NULL},
    {OCTETS(SIGNATURE "\x20\xff\0\2xx"), NULL, NULL},
    {OCTETS(SIGNATURE "\x21\0\0\0"), NULL, NULL},
    {OCTETS(SIGNATURE "\x21\0\0\1\1"), NULL, NULL},
    {OCTETS(SIGNATURE "\x21\1\0\0"), NULL, NULL},
    {OCTETS(SIGNATURE "\x21\x10\0\x0c" BLOCK4), NULL, NULL},
    {OCTETS(SIGNATURE "\x21\x12\0\x0c" BLOCK4), NULL, NULL},
    {OCTETS(SIGNATURE "\x21\x22\0\x24" BLOCK6), NULL, NULL},
    {OCTETS(SIGNATURE "\x21\x11\0\x0f" BLOCK4 "\4\0\0"), BLOCK4_TEXTS},
    {OCTETS(SIGNATURE "\x21\x11\0\x13" BLOCK4 "\xea\0\1x\4\0\0"), BLOCK4_TEXTS},
    {OCTETS(SIGNATURE "\x21\x21\0\x29" BLOCK6 "\xff\0\2xy"), BLOCK6_TEXTS},
    /* As HAProxy 2.6 sent it: CRC32C, authority, unique id, and SSL with two sub-TLVs. */
    {OCTETS(SIGNATURE "\x21\x11\0\x62\x7f\0\0\1\x7f\0\0\1\xed\x94\x55\xeb\3\0\4w\xef\xbc\5\2\0\x0f"
                      "pop.example.net\5\0\x0f"
                      "127.0.0.1-60820 \0(\1\0\0\0\0!\0\7TLSv1.3#\0\x16TLS_AES_256_GCM_SHA384"),
     "127.0.0.1:60820", "127.0.0.1:21995"},
};

static void check_addresses(const struct proxy_header *header, const struct good_row *row)
{
    char text[ADDRESS_TEXT_SIZE];

    assert_int_equal(header->has_addresses, row->source != NULL);
    assert_string_equal(address_text(&header->source, text), row->source ? row->source : "");
    assert_string_equal(address_text(&header->destination, text),
                        row->destination ? row->destination : "");
}

static void check_good(const struct good_row *row, enum proxy_header_accept accept,
                       unsigned version)
{
    struct proxy_header header;
    char data[PROXY_HEADER_MAX];

    memcpy(data, row->data, row->length);
    memcpy(data + row->length, "USER x\r\n", 8);
    for (size_t extra = 0; extra <= 8; extra += 8) {
        enum proxy_header_result result = parse(&header, accept, data, row->length + extra);

        if (result != PROXY_HEADER_COMPLETE)
            fail_msg("refused: %.*s", (int)row->length, row->data);
        assert_int_equal(header.length, row->length);
        assert_int_equal(header.version, version);
        assert_int_equal(header.more, 0);
        check_addresses(&header, row);
    }
}

static void v1_takes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(v1_good); i++) {
        check_good(&v1_good[i], PROXY_HEADER_ACCEPT_EITHER, 1);
        check_good(&v1_good[i], PROXY_HEADER_ACCEPT_V1, 1);
    }
}

static void v2_takes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(v2_good); i++) {
        check_good(&v2_good[i], PROXY_HEADER_ACCEPT_EITHER, 2);
        check_good(&v2_good[i], PROXY_HEADER_ACCEPT_V2, 2);
    }
}

static void versions_not_taken(void **state)
{
    struct proxy_header header;

    (void)state;
    for (size_t length = 1; length <= v1_good[0].length; length++)
        assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_V2, v1_good[0].data, length),
                         PROXY_HEADER_MALFORMED);
    for (size_t length = 1; length <= v2_good[0].length; length++)
        assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_V1, v2_good[0].data, length),
                         PROXY_HEADER_MALFORMED);
}

/* Every beginning of a good header gives MORE, and `more` does not reach beyond the header. */
static void check_prefixes(const struct good_row *row, enum proxy_header_accept accept)
{
    for (size_t length = 0; length < row->length; length++) {
        struct proxy_header header;

        if (parse(&header, accept, row->data, length) != PROXY_HEADER_MORE)
            fail_msg("%zu octets of %.*s", length, (int)row->length, row->data);
        assert_in_range(header.more, 1, row->length - length);
        assert_false(header.has_addresses);
        assert_int_equal(header.length, 0);
    }
}

static void prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(v1_good); i++) {
        check_prefixes(&v1_good[i], PROXY_HEADER_ACCEPT_EITHER);
        check_prefixes(&v1_good[i], PROXY_HEADER_ACCEPT_V1);
    }
    for (size_t i = 0; i < COUNT(v2_good); i++) {
        check_prefixes(&v2_good[i], PROXY_HEADER_ACCEPT_EITHER);
        check_prefixes(&v2_good[i], PROXY_HEADER_ACCEPT_V2);
    }
}

/* How many reads a reader needs that reads `more` octets at a time. */
static unsigned count_reads(const struct good_row *row)
{
    struct proxy_header header;
    unsigned reads = 0;
    size_t length = 0;

    while (parse(&header, PROXY_HEADER_ACCEPT_EITHER, row->data, length) == PROXY_HEADER_MORE) {
        length += header.more;
        reads++;
    }
    assert_int_equal(length, row->length);
    return reads;
}

static void few_reads(void **state)
{
    struct proxy_header header;

    (void)state;
    for (size_t i = 0; i < COUNT(v2_good); i++)
        assert_in_range(count_reads(&v2_good[i]), 2, 3);
    /* "0.0.0.0 0.0.0.0 0 0": nothing is longer than it must be. */
    assert_int_equal(count_reads(&v1_good[2]), 2);
    assert_in_range(count_reads(&v1_good[0]), 2, 8);
    assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_EITHER, "", 0), PROXY_HEADER_MORE);
    assert_int_equal(header.more, 15);
    assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_V1, "", 0), PROXY_HEADER_MORE);
    assert_int_equal(header.more, 15);
    assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_V2, "", 0), PROXY_HEADER_MORE);
    assert_int_equal(header.more, 16);
}

/* `more` is the shortest rest that can follow, field by field. */
static void v1_shortest_rest(void **state)
{
    static const struct {
        const char *line;
        size_t more;
    } rows[] = {
        {"P", 14},
        {"PROXY T", 15},
        {"PROXY U", 8},
        {"PROXY TCP4", 22},
        {"PROXY TCP6", 12},
        {"PROXY UNKNOWN", 2},
        {"PROXY UNKNOWN x", 2},
        {"PROXY UNKNOWN x\r", 1},
        {"PROXY TCP4 ", 21},
        {"PROXY TCP4 1", 20},
        {"PROXY TCP4 1.2.3.4", 14},
        {"PROXY TCP4 111.22.33.44", 14},
        {"PROXY TCP4 1.2.3.4 ", 13},
        {"PROXY TCP4 111.22.33.44 1", 12},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 ", 5},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 9", 4},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 99", 4},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 99 ", 3},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 99 9", 2},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 99 99", 2},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 99 99\r", 1},
        {"PROXY TCP6 ", 11},
        {"PROXY TCP6 :", 10},
        {"PROXY TCP6 ::", 9},
        {"PROXY TCP6 ::1", 9},
        {"PROXY TCP6 ::1 ", 8},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy_header header;

        assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_V1, rows[i].line, strlen(rows[i].line)),
                         PROXY_HEADER_MORE);
        if (header.more != rows[i].more)
            fail_msg("%s: %zu", rows[i].line, header.more);
    }
}

static void v1_refuses(void **state)
{
    static const struct {
        const char *data;
        size_t length;
    } rows[] = {
        {OCTETS("USER x\r\n")},
        {OCTETS("\0")},
        {OCTETS("\n")},
        {OCTETS(" PROXY UNKNOWN\r\n")},
        {OCTETS("proxy UNKNOWN\r\n")},
        {OCTETS("PROXY\r\n")},
        {OCTETS("PROXY \r\n")},
        {OCTETS("PROXY  UNKNOWN\r\n")},
        {OCTETS("PROXY\tUNKNOWN\r\n")},
        {OCTETS("PROXY unknown\r\n")},
        {OCTETS("PROXY UNKNOW\r\n")},
        {OCTETS("PROXY UNKNOWNX\r\n")},
        {OCTETS("PROXY UNKNOWN\n")},
        {OCTETS("PROXY UNKNOWN\r")},
        {OCTETS("PROXY UNKNOWN\rx")},
        {OCTETS("PROXY UNKNOWN\r\r\n")},
        {OCTETS("PROXY UNKNOWN a\nb\r\n")},
        {OCTETS("PROXY UNKNOWN \0\r\n")},
        {OCTETS("PROXY UNKNOWN \x7f\r\n")},
        {OCTETS("PROXY UNKNOWN \x80\r\n")},
        {OCTETS("PROXY UNKNOWN \x1f\r\n")},
        {OCTETS("PROXY TCP\r\n")},
        {OCTETS("PROXY TCP4\r\n")},
        {OCTETS("PROXY TCP4 \r\n")},
        {OCTETS("PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4  1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n")},
        {OCTETS("PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r \r\n")},
        {OCTETS("PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4.5 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.0x4 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 localhost 1 1\r\n")},
        {OCTETS("PROXY TCP4 ::1 ::1 1 1\r\n")},
        {OCTETS("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP6 ::1 1.2.3.4 1 1\r\n")},
        {OCTETS("PROXY TCP6 [::1] [::1] 1 1\r\n")},
        {OCTETS("PROXY TCP6 fe80::1%1 ::1 1 1\r\n")},
        {OCTETS("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 1\r\n")},
        {OCTETS("PROXY TCP6 1::2::3 ::1 1 1\r\n")},
        {OCTETS("PROXY TCP6 12345:: ::1 1 1\r\n")},
        {OCTETS("PROXY TCP6 0000:0000:0000:0000:0000:0000:255.255.255.255x ::1 1 1\r\n")},
        {OCTETS("PROXY TCP6 1111111111111111111111111111111111111111111111 ::1 1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 655350\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 +1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 -1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 1 1x\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 0x1 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 : 1\r\n")},
        {OCTETS("PROXY TCP4 1.2.3.4 1.2.3.4 / 1\r\n")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy_header header;
        enum proxy_header_result result =
            parse(&header, PROXY_HEADER_ACCEPT_EITHER, rows[i].data, rows[i].length);

        if (rows[i].data[rows[i].length - 1] == '\r')
            assert_int_equal(result, PROXY_HEADER_MORE);
        else if (result != PROXY_HEADER_MALFORMED)
            fail_msg("taken: %s", rows[i].data);
        assert_int_equal(header.length, 0);
    }
}

/* A wrong octet in the beginning common to all headers is refused before the line's end. */
static void wrong_beginnings(void **state)
{
    static const struct {
        const char *data;
        size_t length;
    } heads[] = {
        {OCTETS("PROXY UNKNOWN")},
        {OCTETS("PROXY TCP4 ")},
        {OCTETS("PROXY TCP6 ")},
        {OCTETS(SIGNATURE)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        for (size_t place = 0; place < heads[i].length; place++) {
            struct proxy_header header;
            char data[32];

            memcpy(data, heads[i].data, heads[i].length);
            data[place] = '#';
            assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_EITHER, data, place + 1),
                             PROXY_HEADER_MALFORMED);
            assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_EITHER, data, heads[i].length),
                             PROXY_HEADER_MALFORMED);
        }
    }
}

/* A line of `total` octets, CRLF included. */
static void v1_make_line(char *line, const char *head, size_t total)
{
    memset(line, 'x', total);
    memcpy(line, head, strlen(head));
    memcpy(line + total - 2, "\r\n", 2);
}

static void v1_lengths(void **state)
{
    struct proxy_header header;
    char line[PROXY_HEADER_V1_MAX + 10];

    (void)state;
    for (size_t total = 17; total <= sizeof(line); total++) {
        v1_make_line(line, "PROXY UNKNOWN ", total);
        assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_EITHER, line, total),
                         total <= 107 ? PROXY_HEADER_COMPLETE : PROXY_HEADER_MALFORMED);
    }
    memset(line + 14, 'x', sizeof(line) - 14);
    for (size_t length = 14; length <= sizeof(line); length++) {
        enum proxy_header_result result = parse(&header, PROXY_HEADER_ACCEPT_EITHER, line, length);

        /* There must be room for the CRLF. */
        assert_int_equal(result, length <= 105 ? PROXY_HEADER_MORE : PROXY_HEADER_MALFORMED);
    }
    line[105] = '\r';
    assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_EITHER, line, 106), PROXY_HEADER_MORE);
    assert_int_equal(header.more, 1);
    line[105] = 'x';
    line[106] = '\r';
    assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_EITHER, line, 107), PROXY_HEADER_MALFORMED);
}

static void v2_refuses(void **state)
{
    static const struct {
        const char *data;
        size_t length;
    } rows[] = {
        {OCTETS("\r\n\r\n\0\r\nQUIT\r")},
        {OCTETS("\r\n\r\n\r\n")},
        {OCTETS(SIGNATURE "\x11")},
        {OCTETS(SIGNATURE "\x01")},
        {OCTETS(SIGNATURE "\x31")},
        {OCTETS(SIGNATURE "\x22")},
        {OCTETS(SIGNATURE "\x2f")},
        {OCTETS(SIGNATURE "\x21\x13")},
        {OCTETS(SIGNATURE "\x21\x03")},
        {OCTETS(SIGNATURE "\x21\x41")},
        {OCTETS(SIGNATURE "\x21\xf1")},
        {OCTETS(SIGNATURE "\x21\x40\0\0")},
        {OCTETS(SIGNATURE "\x21\x11\0\0")},
        {OCTETS(SIGNATURE "\x21\x11\0\x0b" BLOCK4)},
        {OCTETS(SIGNATURE "\x21\x12\0\x0b" BLOCK4)},
        {OCTETS(SIGNATURE "\x21\x10\0\x0b" BLOCK4)},
        {OCTETS(SIGNATURE "\x21\x21\0\x23" BLOCK6)},
        {OCTETS(SIGNATURE "\x21\x21\0\x0c" BLOCK4)},
        {OCTETS(SIGNATURE "\x21\x31\0\x24" BLOCK6)},
        {OCTETS(SIGNATURE "\x21\x11\0\x0d" BLOCK4 "\4")},
        {OCTETS(SIGNATURE "\x21\x11\0\x0e" BLOCK4 "\4\0")},
        {OCTETS(SIGNATURE "\x21\x11\0\x0f" BLOCK4 "\4\0\1")},
        {OCTETS(SIGNATURE "\x21\x11\0\x10" BLOCK4 "\4\0\2x")},
        {OCTETS(SIGNATURE "\x21\x11\0\x10" BLOCK4 "\4\1\0x")},
        {OCTETS(SIGNATURE "\x21\x11\0\x10" BLOCK4 "\4\xff\xffx")},
        {OCTETS(SIGNATURE "\x21\x11\0\x12" BLOCK4 "\4\0\0\4\0\1")},
        {OCTETS(SIGNATURE "\x21\x12\0\x0f" BLOCK4 "\4\0\1")},
        {OCTETS(SIGNATURE "\x21\x11\x0f\xf1")},
        {OCTETS(SIGNATURE "\x21\x11\xff\xff")},
        {OCTETS(SIGNATURE "\x20\0\xff\xff")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy_header header;

        if (parse(&header, PROXY_HEADER_ACCEPT_EITHER, rows[i].data, rows[i].length) !=
            PROXY_HEADER_MALFORMED)
            fail_msg("taken: row %zu", i);
        assert_false(header.has_addresses);
    }
}

/* Family `kind` with a block of `length` octets, zero but for what `tail` puts at its end. */
static enum proxy_header_result v2_parse_block(struct proxy_header *header, uint8_t kind,
                                               size_t length, const char *tail, size_t tail_length)
{
    char data[PROXY_HEADER_MAX + 16] = SIGNATURE "\x21";

    data[13] = (char)kind;
    data[14] = (char)(length >> 8);
    data[15] = (char)length;
    memcpy(data + 16 + length - tail_length, tail, tail_length);
    return parse(header, PROXY_HEADER_ACCEPT_EITHER, data, 16 + length);
}

static void v2_unix_addresses(void **state)
{
    struct proxy_header header;

    (void)state;
    for (unsigned kind = 0x30; kind <= 0x32; kind++) {
        assert_int_equal(v2_parse_block(&header, (uint8_t)kind, 216, "", 0), PROXY_HEADER_COMPLETE);
        assert_false(header.has_addresses);
        assert_int_equal(header.length, 16 + 216);
        assert_int_equal(v2_parse_block(&header, (uint8_t)kind, 215, "", 0),
                         PROXY_HEADER_MALFORMED);
        assert_int_equal(v2_parse_block(&header, (uint8_t)kind, 220, OCTETS("\4\0\1x")),
                         PROXY_HEADER_COMPLETE);
        assert_int_equal(v2_parse_block(&header, (uint8_t)kind, 220, OCTETS("\4\0\2x")),
                         PROXY_HEADER_MALFORMED);
    }
}

static void v2_longest(void **state)
{
    struct proxy_header header;
    size_t longest = PROXY_HEADER_MAX - 16;
    char tlv[PROXY_HEADER_MAX] = {'\xe0'};
    size_t tlv_length = longest - 12;

    (void)state;
    tlv[1] = (char)((tlv_length - 3) >> 8);
    tlv[2] = (char)(tlv_length - 3);
    assert_int_equal(v2_parse_block(&header, 0x11, longest, tlv, tlv_length),
                     PROXY_HEADER_COMPLETE);
    assert_true(header.has_addresses);
    assert_int_equal(header.length, PROXY_HEADER_MAX);
    tlv[2]++;
    assert_int_equal(v2_parse_block(&header, 0x11, longest, tlv, tlv_length),
                     PROXY_HEADER_MALFORMED);
    assert_int_equal(v2_parse_block(&header, 0x00, longest, "", 0), PROXY_HEADER_COMPLETE);
    assert_int_equal(v2_parse_block(&header, 0x00, longest + 1, "", 0), PROXY_HEADER_MALFORMED);
}

/* ---- building ---- */

static struct address literal(const char *host, uint16_t port)
{
    struct address a;

    assert_int_equal(address_from_literal(&a, host, port), 0);
    return a;
}

static struct address unix_socket(void)
{
    struct address a;

    assert_int_equal(address_parse_listen(&a, "/run/x"), 0);
    return a;
}

static void v1_builds(void **state)
{
    static const struct {
        const char *source;
        const char *destination;
        const char *line;
    } rows[] = {
        {"192.0.2.1", "198.51.100.2", "PROXY TCP4 192.0.2.1 198.51.100.2 4660 110\r\n"},
        {"2001:db8::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 4660 110\r\n"},
        {"::ffff:192.0.2.1", "198.51.100.2", "PROXY TCP4 192.0.2.1 198.51.100.2 4660 110\r\n"},
        {"192.0.2.1", "2001:db8::2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4660 110\r\n"},
        {"2001:db8::1", "198.51.100.2", "PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 4660 110\r\n"},
        {"fe80::1%1", "fe80::2%1", "PROXY TCP6 fe80::1 fe80::2 4660 110\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address source = literal(rows[i].source, 4660);
        struct address destination = literal(rows[i].destination, 110);
        char line[PROXY_HEADER_BUILD_MAX];

        assert_int_equal(proxy_header_build_v1(line, sizeof(line), &source, &destination),
                         strlen(rows[i].line));
        assert_string_equal(line, rows[i].line);
    }
}

static void v1_builds_unknown(void **state)
{
    struct address ip = literal("192.0.2.1", 1);
    struct address local = unix_socket();
    struct address unset = {0};
    char line[PROXY_HEADER_BUILD_MAX];

    (void)state;
    assert_int_equal(proxy_header_build_v1(line, sizeof(line), &ip, &local), 15);
    assert_string_equal(line, "PROXY UNKNOWN\r\n");
    assert_int_equal(proxy_header_build_v1(line, sizeof(line), &unset, &ip), 15);
    assert_string_equal(line, "PROXY UNKNOWN\r\n");
    assert_int_equal(proxy_header_build_v1(line, 16, &local, &local), 15);
    assert_int_equal(proxy_header_build_v1(line, 15, &local, &local), 0);
}

static void v1_builds_longest(void **state)
{
    struct address a = literal("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    char line[PROXY_HEADER_V1_MAX + 1];

    (void)state;
    assert_int_equal(proxy_header_build_v1(line, sizeof(line), &a, &a), 104);
    assert_int_equal(proxy_header_build_v1(line, 105, &a, &a), 104);
    assert_int_equal(proxy_header_build_v1(line, 104, &a, &a), 0);
    assert_int_equal(proxy_header_build_v1(line, 0, &a, &a), 0);
}

static void check_v2(const char *source, const char *destination,
                     const struct proxy_header_extras *extras, const char *expected, size_t length)
{
    struct address from = literal(source, 4660);
    struct address to = literal(destination, 110);
    uint8_t data[PROXY_HEADER_BUILD_MAX];
    struct proxy_header header;

    assert_int_equal(proxy_header_build_v2(data, sizeof(data), &from, &to, extras), length);
    assert_memory_equal(data, expected, length);
    assert_int_equal(proxy_header_build_v2(data, length, &from, &to, extras), length);
    assert_int_equal(proxy_header_build_v2(data, length - 1, &from, &to, extras), 0);
    assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_V2, data, length), PROXY_HEADER_COMPLETE);
    assert_int_equal(header.length, length);
    assert_true(address_is_equal(&header.source, &from));
    assert_true(address_is_equal(&header.destination, &to));
}

static void v2_builds(void **state)
{
    static const struct proxy_header_extras none = {.tls_version = "TLSv1.3", .session = ""};
    static const struct proxy_header_extras bare = {.is_tls = true, .server_name = ""};
    static const struct proxy_header_extras all = {.is_tls = true,
                                                   .tls_version = "TLSv1.3",
                                                   .server_name = "pop.example.net",
                                                   .session = "s1"};

    (void)state;
    check_v2("192.0.2.1", "198.51.100.2", NULL, OCTETS(SIGNATURE "\x21\x11\0\x0c" BLOCK4));
    check_v2("192.0.2.1", "::ffff:198.51.100.2", &none, OCTETS(SIGNATURE "\x21\x11\0\x0c" BLOCK4));
    check_v2("2001:db8::1", "2001:db8::2", NULL, OCTETS(SIGNATURE "\x21\x21\0\x24" BLOCK6));
    check_v2(
        "192.0.2.1", "2001:db8::2", NULL,
        OCTETS(SIGNATURE "\x21\x21\0\x24" MAPPED_HEAD "\xc0\0\2\1" V6_HEAD "\2\x12\x34\0\x6e"));
    check_v2("192.0.2.1", "198.51.100.2", &bare,
             OCTETS(SIGNATURE "\x21\x11\0\x14" BLOCK4 "\x20\0\5\1\0\0\0\1"));
    check_v2("192.0.2.1", "198.51.100.2", &all,
             OCTETS(SIGNATURE "\x21\x11\0\x35" BLOCK4 "\x20\0\x0f\1\0\0\0\1\x21\0\7TLSv1.3"
                              "\2\0\x0fpop.example.net\5\0\2s1"));
}

static void v2_builds_local(void **state)
{
    static const struct proxy_header_extras extras = {.session = "s1"};
    struct address ip = literal("192.0.2.1", 1);
    struct address local = unix_socket();
    uint8_t data[PROXY_HEADER_BUILD_MAX];

    (void)state;
    assert_int_equal(proxy_header_build_v2(data, sizeof(data), &ip, &local, &extras), 16);
    assert_memory_equal(data, SIGNATURE "\x20\0\0\0", 16);
    assert_int_equal(proxy_header_build_v2(data, 16, &local, &ip, NULL), 16);
    assert_int_equal(proxy_header_build_v2(data, 15, &local, &ip, NULL), 0);
}

static void v2_builds_longest(void **state)
{
    static char text[300];
    struct address a = literal("2001:db8::1", 1);
    struct proxy_header_extras extras = {.is_tls = true};
    uint8_t data[PROXY_HEADER_BUILD_MAX];
    struct proxy_header header;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    extras.tls_version = text + sizeof(text) - 1 - 32;
    extras.server_name = text + sizeof(text) - 1 - 255;
    extras.session = text + sizeof(text) - 1 - 128;
    assert_int_equal(proxy_header_build_v2(data, sizeof(data), &a, &a, &extras), 484);
    assert_int_equal(parse(&header, PROXY_HEADER_ACCEPT_V2, data, 484), PROXY_HEADER_COMPLETE);
    extras.tls_version--;
    assert_int_equal(proxy_header_build_v2(data, sizeof(data), &a, &a, &extras), 0);
    extras.tls_version++;
    extras.server_name--;
    assert_int_equal(proxy_header_build_v2(data, sizeof(data), &a, &a, &extras), 0);
    extras.server_name++;
    extras.session--;
    assert_int_equal(proxy_header_build_v2(data, sizeof(data), &a, &a, &extras), 0);
    extras.session++;
    assert_int_equal(proxy_header_build_v2(data, sizeof(data), &a, &a, &extras), 484);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_takes),           cmocka_unit_test(v2_takes),
        cmocka_unit_test(versions_not_taken), cmocka_unit_test(prefixes),
        cmocka_unit_test(few_reads),          cmocka_unit_test(v1_shortest_rest),
        cmocka_unit_test(v1_refuses),         cmocka_unit_test(wrong_beginnings),
        cmocka_unit_test(v1_lengths),         cmocka_unit_test(v2_refuses),
        cmocka_unit_test(v2_unix_addresses),  cmocka_unit_test(v2_longest),
        cmocka_unit_test(v1_builds),          cmocka_unit_test(v1_builds_unknown),
        cmocka_unit_test(v1_builds_longest),  cmocka_unit_test(v2_builds),
        cmocka_unit_test(v2_builds_local),    cmocka_unit_test(v2_builds_longest),
    };

    return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
