/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is accepted as a command: the table's keywords, states and arguments, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/command.h"

static struct command command;

static enum command_fault parse_n(const char *line, size_t length, enum command_state state)
{
    return command_parse(&command, line, length, state);
}

static enum command_fault before(const char *line)
{
    return parse_n(line, strlen(line), COMMAND_STATE_AUTH);
}

static enum command_fault after(const char *line)
{
    return parse_n(line, strlen(line), COMMAND_STATE_TRANS);
}

static void test_keywords(void **state)
{
    (void)state;
    assert_int_equal(before("USER joe"), COMMAND_GOOD);
    assert_int_equal(command.verb, COMMAND_USER);
    assert_int_equal(command.argument_length, 3);
    assert_int_equal(before("uSeR joe"), COMMAND_GOOD);
    assert_int_equal(after("stat"), COMMAND_GOOD);
    assert_int_equal(after("STATS"), COMMAND_UNKNOWN);
    assert_int_equal(after("STA"), COMMAND_UNKNOWN);
    assert_int_equal(after("XTND XMIT"), COMMAND_UNKNOWN);
    assert_int_equal(after(""), COMMAND_UNKNOWN);
    assert_int_equal(after(" STAT"), COMMAND_UNKNOWN);
    assert_int_equal(after("STAT\tx"), COMMAND_BAD_OCTETS);
}

static void test_states(void **state)
{
    (void)state;
    assert_int_equal(before("STAT"), COMMAND_WRONG_STATE);
    assert_int_equal(after("USER joe"), COMMAND_WRONG_STATE);
    assert_int_equal(after("PASS x"), COMMAND_WRONG_STATE);
    assert_int_equal(before("CAPA"), COMMAND_GOOD);
    assert_int_equal(after("CAPA"), COMMAND_GOOD);
    assert_int_equal(before("QUIT"), COMMAND_GOOD);
    assert_int_equal(after("QUIT"), COMMAND_GOOD);
}

static void test_password_is_the_rest(void **state)
{
    (void)state;
    assert_int_equal(before("PASS  two words "), COMMAND_GOOD);
    assert_int_equal(command.argument_length, 11);
    assert_memory_equal(command.argument, " two words ", 11);
    assert_int_equal(before("PASS"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(before("PASS "), COMMAND_BAD_ARGUMENT);
    assert_int_equal(before("PASS s\xc3\xa9same"), COMMAND_GOOD);
    assert_int_equal(before("USER s\xc3\xa9same"), COMMAND_GOOD);
    assert_int_equal(before("AUTH s\xc3\xa9same"), COMMAND_BAD_OCTETS);
    assert_int_equal(after("RETR \xb2"), COMMAND_BAD_OCTETS);
}

static void assert_argument(const char *text)
{
    assert_int_equal(command.argument_length, strlen(text));
    assert_memory_equal(command.argument, text, strlen(text));
}

static void assert_second(const char *text)
{
    assert_int_equal(command.second_length, strlen(text));
    assert_memory_equal(command.second, text, strlen(text));
}

static void test_blanks(void **state)
{
    (void)state;
    assert_int_equal(after("RETR  1"), COMMAND_GOOD);
    assert_argument("1");
    assert_int_equal(after("LIST   3  "), COMMAND_GOOD);
    assert_argument("3");
    assert_false(command.is_multi_line);
    assert_int_equal(after("UIDL  "), COMMAND_GOOD);
    assert_null(command.argument);
    assert_true(command.is_multi_line);
    assert_int_equal(after("TOP  1   10 "), COMMAND_GOOD);
    assert_argument("1");
    assert_second("10");
    assert_int_equal(after("NOOP   "), COMMAND_GOOD);
    assert_int_equal(after("RETR 1  2"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("TOP 1 2  3"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(before("USER  joe bloggs "), COMMAND_GOOD);
    assert_argument("joe bloggs");
    assert_null(command.second);
    assert_int_equal(before("USER   "), COMMAND_BAD_ARGUMENT);
    assert_int_equal(before("AUTH  "), COMMAND_GOOD);
    assert_null(command.argument);
    assert_int_equal(before("AUTH PLAIN "), COMMAND_GOOD);
    assert_argument("PLAIN");
    assert_null(command.second);
    assert_int_equal(before("AUTH  PLAIN   AGpvZQB4  "), COMMAND_GOOD);
    assert_argument("PLAIN");
    assert_second("AGpvZQB4");
}

static void test_control_octets(void **state)
{
    char line[] = "PASS a?b";

    (void)state;
    for (int octet = 0; octet < 0x20; octet++) {
        line[6] = (char)octet;
        assert_int_equal(parse_n(line, 8, COMMAND_STATE_AUTH), COMMAND_BAD_OCTETS);
    }
    line[6] = 0x7f;
    assert_int_equal(parse_n(line, 8, COMMAND_STATE_AUTH), COMMAND_BAD_OCTETS);
    assert_int_equal(after("RETR 1\r"), COMMAND_BAD_OCTETS);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(after("RETR 1"), COMMAND_GOOD);
    assert_true(command.is_multi_line);
    assert_int_equal(after("RETR 4294967295"), COMMAND_GOOD);
    assert_int_equal(after("RETR 0"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("RETR 00"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("RETR -1"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("RETR 1x"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("RETR"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("RETR 1 2"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("RETR 12345678901"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("TOP 1 0"), COMMAND_GOOD);
    assert_int_equal(after("TOP 1 123456789012345678901234567890"), COMMAND_GOOD);
    assert_int_equal(after("TOP 12345678901 0"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("TOP 1 1x"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("TOP 1 -1"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("TOP 1"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("TOP 1 2 3"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("TOP 0 1"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("STAT 1"), COMMAND_BAD_ARGUMENT);
    assert_int_equal(after("NOOP "), COMMAND_GOOD);
}

static void test_listings(void **state)
{
    (void)state;
    assert_int_equal(after("LIST"), COMMAND_GOOD);
    assert_true(command.is_multi_line);
    assert_int_equal(after("LIST "), COMMAND_GOOD);
    assert_true(command.is_multi_line);
    assert_int_equal(after("LIST 3"), COMMAND_GOOD);
    assert_false(command.is_multi_line);
    assert_int_equal(after("UIDL 3"), COMMAND_GOOD);
    assert_false(command.is_multi_line);
    assert_int_equal(after("DELE 3"), COMMAND_GOOD);
    assert_false(command.is_multi_line);
}

static size_t line_bytes(const char *line)
{
    return command_line_bytes(line, strlen(line));
}

static void test_line_lengths(void **state)
{
    (void)state;
    assert_int_equal(line_bytes("AUTH PLAIN AGpvZQB4"), 16448);
    assert_int_equal(line_bytes("auth "), 16448);
    assert_int_equal(line_bytes("AUTH"), 8192);
    assert_int_equal(line_bytes("AUTHX PLAIN"), 8192);
    assert_int_equal(line_bytes(" AUTH PLAIN"), 8192);
    assert_int_equal(line_bytes("PASS AUTH "), 8192);
    assert_int_equal(line_bytes(""), 8192);
    assert_int_equal(command_line_bytes("AUTH PLAIN", 4), 8192);
}

static void test_long_users(void **state)
{
    char line[512];

    (void)state;
    memset(line, 'u', sizeof(line));
    memcpy(line, "USER ", 5);
    assert_int_equal(parse_n(line, 253, COMMAND_STATE_AUTH), COMMAND_GOOD);
    assert_int_equal(parse_n(line, 254, COMMAND_STATE_AUTH), COMMAND_TOO_LONG);
    memcpy(line, "PASS ", 5);
    assert_int_equal(parse_n(line, 512, COMMAND_STATE_AUTH), COMMAND_GOOD);
}

static void test_words(void **state)
{
    (void)state;
    for (int verb = 0; verb < COMMAND_COUNT; verb++) {
        assert_int_not_equal(after(command_keyword((enum command_verb)verb)), COMMAND_UNKNOWN);
        assert_int_equal(command.verb, verb);
    }
    assert_string_equal(command_keyword(COMMAND_COUNT), "unknown");
    for (int fault = COMMAND_UNKNOWN; fault <= COMMAND_NEEDS_TLS; fault++) {
        const char *word = command_fault_word((enum command_fault)fault);

        assert_true(word[0] != '\0' && strchr(word, ' ') == NULL);
        assert_true(command_fault_text((enum command_fault)fault)[0] != '\0');
        for (int other = COMMAND_UNKNOWN; other < fault; other++)
            assert_string_not_equal(word, command_fault_word((enum command_fault)other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_lengths),
        cmocka_unit_test(test_long_users),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_password_is_the_rest),
        cmocka_unit_test(test_blanks),
        cmocka_unit_test(test_control_octets),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_listings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
