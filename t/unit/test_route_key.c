/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys for the routing tables, made of logins by templates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "route/route_key.h"

static struct route_key_parts parts = {.delimiters = "@%",
                                       .client = "192.0.2.7",
                                       .client_port = "4711",
                                       .local = "2001:DB8::1",
                                       .local_port = "110"};

/* NULL: no key is made. */
static const struct {
    const char *template;
    const char *login;
    const char *key;
} cases[] = {
    {"\\U", "Anna@Example.NET", "anna@example.net"},
    {"\\u", "Anna@Example.NET", "anna"},
    {"\\d", "Anna@Example.NET", "example.net"},
    {"@\\d", "anna@home@example.net", "@example.net"},
    {"\\u\\D\\d", "a@b%c", "a@b%c"},
    {"\\D", "a@b%c", "%"},
    {"\\u", "anna", "anna"},
    {"@\\d", "anna", NULL},
    {"\\D", "anna", NULL},
    {"@\\d", "anna@", NULL},
    {"\\U", "", NULL},
    {"\\i:\\p", "anna", "192.0.2.7:4711"},
    {"\\I/\\P", "anna", "2001:db8::1/110"},
    {"\\\\\\U", "anna", "\\anna"},
    {"all", "anna", "all"},
};

static const char *const bad_templates[] = {"", "\\", "\\x", "\\U\\", "a b", "a\tb", "\x7f"};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error;
        char key[ROUTE_KEY_SIZE];
        size_t length = strlen(cases[i].template);
        bool is_made;

        parts.login = cases[i].login;
        assert_int_equal(route_key_check(cases[i].template, length, &error), 0);
        is_made = route_key_make(cases[i].template, length, &parts, key);
        assert_int_equal(is_made, cases[i].key != NULL);
        if (is_made)
            assert_string_equal(key, cases[i].key);
    }
}

static void test_bad_templates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_templates) / sizeof(bad_templates[0]); i++) {
        struct error error = {.text = ""};

        assert_int_equal(route_key_check(bad_templates[i], strlen(bad_templates[i]), &error), -1);
        assert_true(error.text[0] != '\0');
    }
}

static void test_long_login_makes_no_key(void **state)
{
    static char login[ROUTE_KEY_SIZE + 1];
    char key[ROUTE_KEY_SIZE];

    (void)state;
    memset(login, 'x', ROUTE_KEY_SIZE);
    parts.login = login;
    assert_false(route_key_make("\\U", 2, &parts, key));
    login[ROUTE_KEY_SIZE - 1] = '\0';
    assert_true(route_key_make("\\U", 2, &parts, key));
    assert_int_equal(strlen(key), ROUTE_KEY_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bad_templates),
        cmocka_unit_test(test_long_login_makes_no_key),
    };

    return cmocka_run_group_tests_name("route key", tests, NULL, NULL);
}
