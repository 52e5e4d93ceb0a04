/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is announced and when, and what of a server's list may pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/capability.h"

static enum capability find(const char *word)
{
    return capability_find(word, strlen(word));
}

static bool is_relayed(const char *line)
{
    return capability_is_relayed(line, strlen(line));
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(capability_word(CAPABILITY_AUTH_RESP_CODE), "AUTH-RESP-CODE");
    assert_int_equal(find("STLS"), CAPABILITY_STLS);
    assert_int_equal(find("resp-codes"), CAPABILITY_RESP_CODES);
    assert_int_equal(capability_find("SASL PLAIN", 4), CAPABILITY_SASL);
    assert_int_equal(find("SAS"), CAPABILITY_COUNT);
    assert_int_equal(find("SASL PLAIN"), CAPABILITY_COUNT);
    assert_int_equal(find("UTF8"), CAPABILITY_COUNT);
    assert_int_equal(find(""), CAPABILITY_COUNT);
    assert_int_equal(find("EXPIRE"), CAPABILITY_COUNT); /* only a server announces it */
}

static void test_announced(void **state)
{
    struct capability_view view = {.shown = ~0U};

    (void)state;
    assert_true(capability_is_ours(CAPABILITY_TOP, &view));
    assert_false(capability_is_ours(CAPABILITY_USER, &view));
    assert_false(capability_is_ours(CAPABILITY_STLS, &view));
    view.has_mechanisms = true;
    assert_false(capability_is_ours(CAPABILITY_SASL, &view));
    view.may_log_in = true;
    assert_true(capability_is_ours(CAPABILITY_USER, &view));
    assert_true(capability_is_ours(CAPABILITY_SASL, &view));
    view.has_mechanisms = false;
    assert_false(capability_is_ours(CAPABILITY_SASL, &view));
    view.may_stls = true;
    assert_true(capability_is_ours(CAPABILITY_STLS, &view));
    assert_false(capability_is_ours(CAPABILITY_EXPIRE, &view));
    view.shown = 1U << CAPABILITY_UIDL;
    assert_true(capability_is_ours(CAPABILITY_UIDL, &view));
    assert_false(capability_is_ours(CAPABILITY_TOP, &view));
    assert_false(capability_is_ours(CAPABILITY_STLS, &view));
}

static void test_relayed(void **state)
{
    (void)state;
    assert_true(is_relayed("EXPIRE 60"));
    assert_true(is_relayed("login-delay 300 USER"));
    assert_true(is_relayed("IMPLEMENTATION x"));
    assert_false(is_relayed("EXPIRES 60"));
    assert_false(is_relayed("EXPIR"));
    assert_false(is_relayed("TOP"));
    assert_false(is_relayed("STLS"));
    assert_false(is_relayed("UTF8"));
    assert_false(is_relayed("XFOO"));
    assert_false(is_relayed(""));
    assert_false(is_relayed(" EXPIRE"));
    assert_false(is_relayed("EXPIRE\t60"));
    assert_false(is_relayed("EXPIRE 60\r"));
    assert_false(is_relayed("IMPLEMENTATION \x1b[2J"));
    assert_false(is_relayed("IMPLEMENTATION \xc3\xa4"));
    assert_false(is_relayed("IMPLEMENTATION \x7f"));
    assert_false(capability_is_relayed("EXPIRE\0 60", 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_announced),
        cmocka_unit_test(test_relayed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
