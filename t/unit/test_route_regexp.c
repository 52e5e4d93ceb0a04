/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contents of a regexp table: patterns and what their groups may insert. A login must never
 * choose the server where the operator's value did not ask for that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "route/route_regexp.h"

#ifdef HAVE_PCRE2
static char path[] = "/tmp/test_route_regexp.XXXXXX";
static char warning[ERROR_TEXT_SIZE];

static void note_warning(void *context, const char *text)
{
    (void)context;
    snprintf(warning, sizeof(warning), "%s", text);
}

static struct route_regexp *load(const char *text, struct error *error)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    error->text[0] = warning[0] = '\0';
    return route_regexp_load(path, note_warning, NULL, error);
}

/* `value` is what the key gives; "-" for not found, "!" for failed. */
static const struct {
    const char *text;
    const char *key;
    const char *value;
} cases[] = {
    {"^a a.example.net\n^b b.example.net\n", "bert", "b.example.net"},
    {"^a a.example.net\n", "bert", "-"},
    {"^[a-k]: localhost\n^[^a-k]: localhost:110\n", "anna", "localhost"},
    {"^[a-k]: localhost\n^[^a-k]: localhost:110\n", "zoe", "localhost:110"},
    {"^A a.example.net\n", "anna", "a.example.net"},
    {"# ^x x\n\n^x y\r\n", "x", "y"},
    {"^a:b.example.net\n", "anna", "b.example.net"},
    {"^(.*)@(.*)$ $1@$2\n", "anna@example.net", "anna@example.net"},
    {"^(.*)$ $1@store\n", "anna@example.net", "anna@example.net@store"},
    {"^(.*)@example.net$ store destuser=$1\n", "anna@example.net", "store destuser=anna"},
    {"^(.*)$ store destuser=$1\n", "a@b:c", "store destuser=a@b:c"},
    {"^(a)|b$ x$1y\n", "b", "xy"},
    {"^x cost$$1\n", "x", "cost$1"},
    {"^(.)(.*)$ store-$1\n", "anna@example.net", "store-a"},
    /* What a login must not do. */
    {"^(.*)$ store-$1\n", "x@evil.example", "!"},
    {"^(.*)$ store-$1 ssl\n", "x@evil.example", "!"},
    {"^(.*)$ store-$1\n", "x:25", "!"},
    {"^(.*)$ $1\n", "host=evil.example", "!"},
    {"^(.*)$ $1@store\n", "pass=x", "!"},
    {"^(.*)$ $1@store\n", "a b", "!"},
    {"^(.*)$ store pass=\"$1\"\n", "x\"", "!"},
    {"^(.*)$ store pass=\"$1\"\n", "x\\", "!"},
    {"^(.*)$ store destuser=$1\n", "a\x01", "!"},
    {"^.*@(.*)$ $1\n", "x@ssl", "!"},
    {"^.*@(.*)$ $1\n", "x@reject", "!"},
    {"^s(.*)$ s$1\n", "ssl", "!"},
    {"^(.*)@x$ $1 ssl\n", "@x", "!"},
    {"^(a)|b $1 ssl\n", "b", "!"},
    {"^(.*)$ $1:110\n", "group", "!"},
    {"^h(.*)$ h$1=x\n", "host", "!"},
    {"^(.*)$ $1=x\n", "host", "!"},
    {"^(.*)$ userdb_mail=$1\n", "x@evil.example", "!"},
    {"^(.*)$ foo=\"$1 y@z\"\n", "x@evil.example", "!"},
    {"^(.*)$ group:$1\n", "x@y", "!"},
    {"^(.*)$ reject not $1\n", "a b", "!"},
    {"^(.*)$ store pass=\"\\\\\" x$1\n", "a@b", "!"},
    /* A text may hold what a server's name may not. */
    {"^(.*)@x$ reject The mailbox $0 has moved\n", "a@x", "reject The mailbox a@x has moved"},
    {"^(.*)@x$ nologin reason=\"ask for $0 = \\\"$1\\\"\"\n", "a@x", "nologin reason=\"ask for a@x = \\\"a\\\"\""},
    {"^(.*)$ group:$1\n", "stores", "group:stores"},
    {"^(.*)$ a=$1@store\n", "x@y", "a=x@y@store"},
    {"^(.*)$ store userdb_home=/home/$1\n", "anna", "store userdb_home=/home/anna"},
    {"^(a+)+$ x\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "!"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const char *const marks[] = {[ROUTE_NOT_FOUND] = "-", [ROUTE_FAILED] = "!"};
        struct error error;
        struct route_regexp *table = load(cases[i].text, &error);
        char value[ROUTE_VALUE_MAX + 1];
        size_t length = 0;
        enum route_result result;

        assert_string_equal(error.text, "");
        assert_non_null(table);
        result = route_regexp_find(table, cases[i].key, value, &length, &error);
        value[length] = '\0';
        assert_string_equal(result == ROUTE_FOUND ? value : marks[result], cases[i].value);
        assert_int_equal(result == ROUTE_FAILED, error.text[0] != '\0');
        route_regexp_free(table);
    }
}

static const struct {
    const char *text;
    const char *error; /* after the path */
} broken[] = {
    {"^a x\n^b\n", ":2: expected a pattern, then blanks, then a value"},
    {"^a:\n", ":1: expected a pattern, then blanks, then a value"},
    {" x\n", ":1: expected a pattern, then blanks, then a value"},
    {"^(a x\n", ":1: the pattern is malformed at octet 3: missing closing parenthesis"},
    {"^a x$\n", ":1: expected a digit or another $ after $"},
    {"^(a) x$2\n", ":1: the value refers to a group that the pattern does not have"},
};

static void test_broken_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct error error;

        assert_null(load(broken[i].text, &error));
        assert_memory_equal(error.text, path, strlen(path));
        assert_string_equal(error.text + strlen(path), broken[i].error);
    }
}

static void test_loose_pattern_is_a_warning(void **state)
{
    struct error error;
    struct route_regexp *table = load("^a x\nb y\n", &error);

    (void)state;
    assert_non_null(table);
    assert_non_null(strstr(warning, ":2: the pattern matches anywhere in a key; begin it with ^"));
    route_regexp_free(table);
}

static void test_long_value_fails(void **state)
{
    struct error error;
    struct route_regexp *table = load("^(.*)$ $1$1$1$1$1$1$1$1$1$1@store\n", &error);
    char key[1001];
    char value[ROUTE_VALUE_MAX];
    size_t length;

    (void)state;
    memset(key, 'x', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(route_regexp_find(table, key, value, &length, &error), ROUTE_FAILED);
    key[100] = '\0';
    assert_int_equal(route_regexp_find(table, key, value, &length, &error), ROUTE_FOUND);
    assert_int_equal(length, 1006);
    route_regexp_free(table);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd == -1 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_loose_pattern_is_a_warning),
        cmocka_unit_test(test_long_value_fails),
    };

    return cmocka_run_group_tests_name("route regexp", tests, make_file, remove_file);
}
#else
int main(void)
{
    puts("1..0 # SKIP built without PCRE2");
    return 0;
}
#endif
