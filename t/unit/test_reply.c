/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Status lines and the end of multi-line replies. The end is compared with a plain automaton, at
 * every cut and every alignment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/reply.h"

static enum reply_status parse(const char *text, size_t *length_r)
{
    return reply_parse(text, strlen(text), length_r);
}

static void test_status(void **state)
{
    size_t length;

    (void)state;
    assert_int_equal(parse("+OK hello\r\nbody", &length), REPLY_OK);
    assert_int_equal(length, 11);
    assert_int_equal(parse("+OK\r\n", &length), REPLY_OK);
    assert_int_equal(parse("-ERR [IN-USE] x\r\n", &length), REPLY_ERR);
    assert_int_equal(length, 17);
    assert_int_equal(parse("+ok\r\n", &length), REPLY_INVALID);
    assert_int_equal(parse("* OK\r\n", &length), REPLY_INVALID);
    assert_int_equal(parse("\r\n", &length), REPLY_INVALID);
    assert_int_equal(parse("\n", &length), REPLY_INVALID);
    assert_int_equal(parse("+OK\n", &length), REPLY_INVALID);
}

static enum reply_status parse_auth(const char *text, size_t *length_r)
{
    return reply_parse_auth(text, strlen(text), length_r);
}

static void test_challenges(void **state)
{
    size_t length;

    (void)state;
    assert_int_equal(parse_auth("+ \r\n", &length), REPLY_CHALLENGE);
    assert_int_equal(length, 4);
    assert_int_equal(parse_auth("+\r\n+OK\r\n", &length), REPLY_CHALLENGE);
    assert_int_equal(length, 3);
    assert_int_equal(parse_auth("+ VXNlcm5hbWU6\r\n", &length), REPLY_CHALLENGE);
    assert_int_equal(length, 16);
    assert_int_equal(parse_auth("+OK in\r\n", &length), REPLY_OK);
    assert_int_equal(length, 8);
    assert_int_equal(parse_auth("-ERR no\r\n", &length), REPLY_ERR);
    assert_int_equal(parse_auth("+x\r\n", &length), REPLY_INVALID);
    assert_int_equal(parse_auth("+\n", &length), REPLY_INVALID);
    assert_int_equal(parse_auth("+ x\n", &length), REPLY_INVALID);
    assert_int_equal(parse_auth("334 x\r\n", &length), REPLY_INVALID);
    for (size_t cut = 0; cut < 16; cut++) {
        assert_int_equal(reply_parse_auth("+ VXNlcm5hbWU6\r\n", cut, &length), REPLY_INCOMPLETE);
        assert_int_equal(length, 0);
    }
    assert_int_equal(parse("+ \r\n", &length), REPLY_INVALID); /* to any other command */
}

static void test_challenge_lengths(void **state)
{
    char text[REPLY_CHALLENGE_BYTES + 2];
    size_t length;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "+ ", 2);
    memcpy(text + REPLY_CHALLENGE_BYTES - 2, "\r\n", 2);
    assert_int_equal(reply_parse_auth(text, REPLY_CHALLENGE_BYTES, &length), REPLY_CHALLENGE);
    assert_int_equal(length, REPLY_CHALLENGE_BYTES);
    assert_int_equal(reply_parse_auth(text, REPLY_CHALLENGE_BYTES - 1, &length), REPLY_INCOMPLETE);
    memcpy(text + REPLY_CHALLENGE_BYTES - 2, "xx\r\n", 4);
    assert_int_equal(reply_parse_auth(text, sizeof(text), &length), REPLY_INVALID);
}

static void test_clean_octets(void **state)
{
    (void)state;
    for (int octet = 0; octet < 256; octet++) {
        char expected = octet < 0x20 || octet == 0x7f ? '?' : (char)octet;

        assert_int_equal(reply_clean_octet((char)octet), expected);
    }
}

static void test_incomplete(void **state)
{
    size_t length;

    (void)state;
    assert_int_equal(parse("", &length), REPLY_INCOMPLETE);
    assert_int_equal(parse("+", &length), REPLY_INCOMPLETE);
    assert_int_equal(parse("-ER", &length), REPLY_INCOMPLETE);
    assert_int_equal(parse("+OK hello\r", &length), REPLY_INCOMPLETE);
    assert_int_equal(parse("+X", &length), REPLY_INVALID);
    assert_int_equal(parse("2", &length), REPLY_INVALID);
}

static void test_too_long(void **state)
{
    char line[REPLY_LINE_BYTES + 8];
    size_t length;

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "+OK ", 4);
    assert_int_equal(reply_parse(line, REPLY_LINE_BYTES - 1, &length), REPLY_INCOMPLETE);
    assert_int_equal(reply_parse(line, REPLY_LINE_BYTES, &length), REPLY_INVALID);
    memcpy(line + REPLY_LINE_BYTES - 2, "\r\n", 2);
    assert_int_equal(reply_parse(line, sizeof(line), &length), REPLY_OK);
    assert_int_equal(length, REPLY_LINE_BYTES);
    line[REPLY_LINE_BYTES - 2] = 'x';
    memcpy(line + REPLY_LINE_BYTES - 1, "\r\n", 2);
    assert_int_equal(reply_parse(line, sizeof(line), &length), REPLY_INVALID);
}

static void test_clean(void **state)
{
    char line[] = "+OK a\x1b[31m\0b\tc\x7f\r\n";

    (void)state;
    reply_clean(line, sizeof(line) - 1);
    assert_memory_equal(line, "+OK a?[31m?b?c?\r\n", sizeof(line) - 1);
}

static void test_code(void **state)
{
    (void)state;
    assert_true(reply_has_code("-ERR [AUTH] no\r\n", 16));
    assert_true(reply_has_code("-ERR [IN-USE]\r\n", 15));
    assert_false(reply_has_code("-ERR no [AUTH]\r\n", 16));
    assert_false(reply_has_code("-ERR [] x\r\n", 11));
    assert_false(reply_has_code("-ERR [AUTH x\r\n", 14));
    assert_false(reply_has_code("-ERR\r\n", 6));
}

static bool is_unavailable(const char *line)
{
    return reply_is_unavailable(line, strlen(line));
}

static void test_unavailable(void **state)
{
    (void)state;
    assert_true(is_unavailable("-ERR [SYS/TEMP] later\r\n"));
    assert_true(is_unavailable("-ERR [sys/perm]\r\n"));
    assert_true(is_unavailable("-ERR [IN-USE] locked\r\n"));
    assert_true(is_unavailable("-ERR [LOGIN-DELAY/60] too soon\r\n"));
    assert_false(is_unavailable("-ERR [AUTH] no\r\n"));
    assert_false(is_unavailable("-ERR [SYSTEM] no\r\n"));
    assert_false(is_unavailable("-ERR [SYS/TEMP no\r\n"));
    assert_false(is_unavailable("-ERR SYS/TEMP]\r\n"));
    assert_false(is_unavailable("-ERR no\r\n"));
}

/* The scanner must agree with this automaton, which reads one octet at a time. */
static size_t find_end(const char *body, size_t length)
{
    static const char mark[] = "\r\n.\r\n";
    unsigned matched = 2;

    for (size_t i = 0; i < length; i++) {
        matched = body[i] == mark[matched] ? matched + 1 : body[i] == '\r' ? 1 : 0;
        if (matched == 5)
            return i + 1;
    }
    return 0;
}

/* Feeds the body in pieces of `step` octets, the first of `first`. Returns the end or 0. */
static size_t scan(const char *body, size_t length, size_t first, size_t step)
{
    struct reply_end end;
    size_t at = 0;

    reply_end_init(&end);
    while (at < length) {
        size_t piece = at == 0 ? first : step;
        bool is_end;
        size_t taken;
        char *copy;

        if (piece > length - at)
            piece = length - at;
        copy = malloc(piece); /* a block of its own, so that a read beyond it is found */
        memcpy(copy, body + at, piece);
        taken = reply_end_scan(&end, copy, piece, &is_end);
        free(copy);
        at += taken;
        if (is_end)
            return at;
        assert_int_equal(taken, piece);
    }
    return 0;
}

static void check_all_cuts(const char *body, size_t length)
{
    size_t expected = find_end(body, length);

    for (size_t first = 1; first <= length; first++) {
        assert_int_equal(scan(body, length, first, length), expected);
        assert_int_equal(scan(body, length, first, 1), expected);
        assert_int_equal(scan(body, length, first, 3), expected);
    }
}

static void test_end_bodies(void **state)
{
    static const char *const bodies[] = {
        ".\r\n",
        ".\r\n+OK spare\r\n",
        "\r\n.\r\n",
        "a\r\n.\r\n",
        "..\r\n.\r\n",
        "a\n.\r\nb\r\n.\r\n",
        "a\r\n.\nb\r\n.\r\n",
        "a\r\n.\rb\r\n.\r\n",
        "a\r\r\n.\r\n",
        "a\r\n\r\n.\r\n",
        "a\r\n.\r\r\n.\r\n",
        "a\r\n..\r\n.x\r\n.\r\n",
        "\n.\r\n\r\n.\r\n",
        "no end at all",
        "a\r\n.\r",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        check_all_cuts(bodies[i], strlen(bodies[i]));
}

/* After each piece the scanner knows whether all that it has seen ends with LF.CRLF. */
static void check_loose(const char *body, size_t length, size_t step)
{
    struct reply_end end;
    bool is_end = false;

    reply_end_init(&end);
    for (size_t at = 0; at < length && !is_end; at += step) {
        size_t piece = step < length - at ? step : length - at;
        size_t seen = at + reply_end_scan(&end, body + at, piece, &is_end);

        assert_int_equal(reply_end_is_loose(&end),
                         seen >= 4 && memcmp(body + seen - 4, "\n.\r\n", 4) == 0);
    }
}

static void test_loose_end(void **state)
{
    static const char alphabet[] = {'\r', '\n', '.', 'x'};
    enum { LENGTH = 7 };
    char body[LENGTH];

    (void)state;
    for (unsigned code = 0; code < 1U << (2 * LENGTH); code++) {
        for (int i = 0; i < LENGTH; i++)
            body[i] = alphabet[code >> (2 * i) & 3];
        for (size_t step = 1; step <= LENGTH; step++)
            check_loose(body, LENGTH, step);
    }
}

/* Every string over the octets that matter, after a run of text that moves it over every
 * alignment of the vector search. */
static void test_end_exhaustive(void **state)
{
    static const char alphabet[] = {'\r', '\n', '.', 'x'};
    enum { LENGTH = 7, PAD = 150 };
    char body[PAD + LENGTH + 5];

    (void)state;
    memset(body, 'x', PAD);
    for (unsigned code = 0; code < 1U << (2 * LENGTH); code++) {
        size_t pad = code % PAD;
        size_t length = pad;
        unsigned rest = code;

        memset(body, 'x', PAD);
        for (int i = 0; i < LENGTH; i++, rest >>= 2)
            body[length++] = alphabet[rest & 3];
        memcpy(body + length, "\r\n.\r\n", 5);
        length += 5;
        size_t expected = find_end(body, length);
        assert_int_equal(scan(body, length, length, length), expected);
        assert_int_equal(scan(body, length, pad + 3, length), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),         cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_challenges),     cmocka_unit_test(test_challenge_lengths),
        cmocka_unit_test(test_clean_octets),   cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_clean),          cmocka_unit_test(test_code),
        cmocka_unit_test(test_unavailable),    cmocka_unit_test(test_end_bodies),
        cmocka_unit_test(test_end_exhaustive), cmocka_unit_test(test_loose_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
