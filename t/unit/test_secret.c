/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding a secret in a text by its print alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "session/secret.h"

static struct secret_prints secrets;

static void begin(const char *secret)
{
    secret_begin(&secrets, "1-2-3");
    secret_note(&secrets, secret, strlen(secret));
}

static void test_found(void **state)
{
    (void)state;
    begin("Sesam-99");
    assert_true(secret_is_in(&secrets, "Sesam-99"));
    assert_true(secret_is_in(&secrets, "wrong password sesam-99!"));
    assert_true(secret_is_in(&secrets, "xSESAM-99x"));
    assert_false(secret_is_in(&secrets, "Sesam-9"));
    assert_false(secret_is_in(&secrets, "the mailbox is locked"));
    assert_false(secret_is_in(&secrets, ""));
}

/* A server may cut it: the beginning is enough. */
static void test_long(void **state)
{
    (void)state;
    begin("a very long password, longer than what is kept of it");
    assert_true(secret_is_in(&secrets, "no: a very long password, longer"));
    assert_true(secret_is_in(&secrets, "no: a very long pass"));
    assert_false(secret_is_in(&secrets, "no: a very long pas"));
}

static void test_short(void **state)
{
    (void)state;
    begin("x");
    assert_true(secret_is_in(&secrets, "x"));
    assert_true(secret_is_in(&secrets, "wrong: 'x'"));
    assert_false(secret_is_in(&secrets, "account expired"));
    begin("abc");
    assert_false(secret_is_in(&secrets, "abcd \xc3\xa4"
                                        "abc"));
    begin("abcd");
    assert_true(secret_is_in(&secrets, "xabcdx"));
}

static void test_several(void **state)
{
    char secret[] = "secret-0";

    (void)state;
    secret_begin(&secrets, "1-2-3");
    assert_false(secret_is_in(&secrets, "secret-0"));
    secret_note(&secrets, "", 0);
    for (int i = 0; i < SECRETS_MAX + 2; i++, secret[7]++)
        secret_note(&secrets, secret, strlen(secret));
    assert_true(secret_is_in(&secrets, "secret-0"));
    assert_true(secret_is_in(&secrets, "secret-1"));
    assert_true(secret_is_in(&secrets, "secret-5"));
    secret_begin(&secrets, "1-2-4");
    assert_false(secret_is_in(&secrets, "secret-0"));
}

/* The secret itself is not kept, and its print is another one in another session. */
static void test_kept(void **state)
{
    struct secret_prints other;

    (void)state;
    begin("Sesam-99");
    assert_null(memmem(&secrets, sizeof(secrets), "sam-9", 5));
    secret_begin(&other, "1-2-4");
    secret_note(&other, "Sesam-99", 8);
    assert_int_not_equal(secrets.list[0], other.list[0]);
    assert_int_equal(secrets.list[0] >> 24, strlen("Sesam-99"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),   cmocka_unit_test(test_long), cmocka_unit_test(test_short),
        cmocka_unit_test(test_several), cmocka_unit_test(test_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
