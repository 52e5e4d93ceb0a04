/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the words of a refusal mean: servers as they are known, words that only look like those of
 * the table, and clients that would have their wrong passwords judged as something else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/refusal.h"
#include "pop3/reply.h"

static void check(enum refusal expected, const char *const *texts)
{
    for (; *texts != NULL; texts++)
        if (refusal_judge(*texts, "joe", "x") != expected)
            fail_msg("%s: %d, not %d", *texts, refusal_judge(*texts, "joe", "x"), expected);
}

static void test_in_use(void **state)
{
    (void)state;
    check(REFUSAL_IN_USE,
          (const char *const[]){"Your mailbox is already locked", "Maildrop already locked",
                                "Mailbox Locked", "unable to lock maildrop", "[POP lock busy!",
                                "MAILBOX LOCKED", "POP3 lock busy, wait", "mailbox in use",
                                "login failed: the mailbox is in use", "mailbox temporarily locked",
                                "account is opened by another session", NULL});
}

static void test_temporary(void **state)
{
    (void)state;
    check(REFUSAL_TEMPORARY,
          (const char *const[]){
              "mail storage services unavailable, wait a few minutes and try again",
              "Temporary authentication failure.", "Server Unavailable. 21", "try again",
              "please come back later", "system overloaded", "the server is in maintenance",
              "timeout while opening the mailbox", "operation timed out", "Server shutting down.",
              "Account temporarily disabled", "authentication failed, try later",
              "Maximum number of connections from user+IP exceeded", NULL});
}

static void test_mailbox(void **state)
{
    (void)state;
    check(REFUSAL_MAILBOX,
          (const char *const[]){"account disabled", "Your password has expired", "over quota",
                                "Quota exceeded", "account suspended", "user is blocked",
                                "account currently locked out", "disabled, ask later", NULL});
}

static void test_credentials(void **state)
{
    (void)state;
    check(REFUSAL_CREDENTIALS,
          (const char *const[]){
              "", "no", "wrong password", "Invalid user name or password.", "unknown user",
              "Logon failure: unknown user name or bad password.", "Authentication failed.",
              "wrong password, try again", "Invalid password. Try again later.",
              "login failed, try again", "User not found - check the name and try again",
              "incorrect password; your account may get locked", "password mismatch, please retry",
              "blockade runners", "a clock, not a word", "unlocked", "relaterr", NULL});
}

/* A server that repeats the user name or the password must not let a client through the brake. */
static void test_repeated(void **state)
{
    (void)state;
    assert_int_equal(refusal_judge("no mailbox for locked", "locked", "x"), REFUSAL_CREDENTIALS);
    assert_int_equal(refusal_judge("no: Locked", "xLOCKed@here", "x"), REFUSAL_CREDENTIALS);
    assert_int_equal(refusal_judge("refused: later", "joe", "later"), REFUSAL_CREDENTIALS);
    assert_int_equal(refusal_judge("no \"try again\"", "joe", "TRY AGAIN"), REFUSAL_CREDENTIALS);
    assert_int_equal(refusal_judge("wrong, try again", "wrong", "x"), REFUSAL_CREDENTIALS);
    assert_int_equal(refusal_judge("mailbox locked", NULL, NULL), REFUSAL_IN_USE);
    /* Another word of the table still tells. */
    assert_int_equal(refusal_judge("locked is in use", "locked", "x"), REFUSAL_IN_USE);
}

static void test_write(void **state)
{
    char line[REPLY_LINE_BYTES];
    char text[REPLY_LINE_BYTES + 1];

    (void)state;
    refusal_write(line, refusal_code(REFUSAL_IN_USE), "Mailbox Locked");
    assert_string_equal(line, "-ERR [IN-USE] Mailbox Locked");
    refusal_write(line, refusal_code(REFUSAL_TEMPORARY), "100% %s");
    assert_string_equal(line, "-ERR [SYS/TEMP] 100% %s");
    refusal_write(line, refusal_code(REFUSAL_MAILBOX), "over quota");
    assert_string_equal(line, "-ERR over quota");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    refusal_write(line, "SYS/TEMP", text);
    assert_int_equal(strlen(line), REPLY_LINE_BYTES - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_use),   cmocka_unit_test(test_temporary),
        cmocka_unit_test(test_mailbox),  cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_repeated), cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
