/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which first octets are another protocol, and from how many of them on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/command.h"
#include "pop3/opening.h"

#define OCTETS(literal) (literal), sizeof(literal) - 1

struct row {
    const char *data;
    size_t length; /* the fewest octets that tell */
    enum opening opening;
};

static const struct row rows[] = {
    {OCTETS("\x16"), OPENING_TLS},
    {OCTETS("PROXY "), OPENING_PROXY_HEADER},
    {OCTETS("\r\n\r\n\0\r\nQUIT\n"), OPENING_PROXY_HEADER},
    {OCTETS("GET "), OPENING_FOREIGN},
    {OCTETS("PRI * "), OPENING_FOREIGN},
    {OCTETS("OPTIONS "), OPENING_FOREIGN},
    {OCTETS("SSH-"), OPENING_FOREIGN},
    {OCTETS("HELO "), OPENING_FOREIGN},
    {OCTETS("ehlo\r"), OPENING_FOREIGN},
    {OCTETS("EHLO\n"), OPENING_FOREIGN},
    {OCTETS("a001 CAPABILITY\r"), OPENING_FOREIGN},
    {OCTETS("1 login "), OPENING_FOREIGN},
    {OCTETS("3.141 ID "), OPENING_FOREIGN},
    {OCTETS("a LOGIN "), OPENING_FOREIGN},
    {OCTETS("UTF8 NOOP\n"), OPENING_FOREIGN},
    {OCTETS("\x03\0"), OPENING_FOREIGN},
    {OCTETS("\0\0\0\x2f\xffSMB"), OPENING_FOREIGN},
    {OCTETS("\0\0\1\x2f\xfeSMB"), OPENING_FOREIGN},
    {OCTETS("\x81\0\0\x44 "), OPENING_FOREIGN},
};

static void foreign(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(opening_find(rows[i].data, rows[i].length), rows[i].opening);
        for (size_t length = 0; length < rows[i].length; length++)
            assert_int_equal(opening_find(rows[i].data, length), OPENING_POP3);
    }
}

static void pop3(void **state)
{
    static const struct row others[] = {
        {OCTETS("\0\xff\r\n\0\xff\r\n"), OPENING_POP3},
        {OCTETS("\x03\x01"), OPENING_POP3},
        {OCTETS("\x81\0\0\x44!"), OPENING_POP3},
        {OCTETS("HELOX x"), OPENING_POP3},
        {OCTETS("GETS x"), OPENING_POP3},
        {OCTETS("PRIX"), OPENING_POP3},
        {OCTETS(" GET x"), OPENING_POP3},
        {OCTETS("PROXYX"), OPENING_POP3},
        {OCTETS("SSH 2"), OPENING_POP3},
        {OCTETS("\r\n\r\n"), OPENING_POP3},
        {OCTETS("USER login\r\n"), OPENING_POP3}, /* a user of this name */
        {OCTETS("TOP logout\r\n"), OPENING_POP3},
        {OCTETS("a1 LOGINX\r\n"), OPENING_POP3},
        {OCTETS("a1 LIST 1\r\n"), OPENING_POP3},
        {OCTETS("a1 \r\n"), OPENING_POP3},
        {OCTETS(" LOGIN\r\n"), OPENING_POP3},
        {OCTETS("a-1 LOGIN\r\n"), OPENING_POP3},
        {OCTETS("a2345678901234567 LOGIN\r\n"), OPENING_POP3}, /* too long for a tag */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(opening_find(others[i].data, others[i].length), OPENING_POP3);
    for (int verb = 0; verb < COMMAND_COUNT; verb++) {
        const char *keyword = command_keyword((enum command_verb)verb);

        assert_int_equal(opening_find(keyword, strlen(keyword)), OPENING_POP3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign),
        cmocka_unit_test(pop3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
