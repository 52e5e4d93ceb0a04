/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contents of a file table: what a line may look like, what is refused and where, and that a
 * large file is found again whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "route/route_file.h"

enum { MANY = 100000 };

static char directory[] = "/tmp/test_route_file.XXXXXX";
static char path[64];

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static bool has_group(const void *context, const char *name)
{
    (void)context;
    return strcmp(name, "stores") == 0;
}

static const struct route_environment environment = {.has_group = has_group};

/* NULL with the error when the file is broken. */
static struct route_file *load(struct error *error)
{
    struct route_file *file = route_file_open(path, &environment, error);
    int result = 0;

    while (file != NULL && (result = route_file_read(file, error)) == 0)
        continue;
    if (result == -1) {
        route_file_free(file);
        return NULL;
    }
    return file;
}

static void assert_finds(const struct route_file *file, const char *key, const char *expected)
{
    size_t length;
    const char *value = route_file_find(file, key, &length);

    if (expected == NULL) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(value, expected, length);
}

static void test_lines(void **state)
{
    static const char text[] = "# users that were moved\n"
                               "\n"
                               "anna:a.example.net\n"
                               "Bert b.example.net:1110  \r\n"
                               "  \t\n"
                               "carl@Example.net\t \tgroup:stores destuser=c\n"
                               "@example.org: reject moved: ask us # not a comment\n"
                               "dora:[::1]:110\n"
                               "last 127.0.0.1";
    struct error error = {.text = ""};
    struct route_file *file;

    (void)state;
    write_file(text, sizeof(text) - 1);
    file = load(&error);
    assert_string_equal(error.text, "");
    assert_int_equal(route_file_count(file), 6);
    assert_finds(file, "anna", "a.example.net");
    assert_finds(file, "bert", "b.example.net:1110");
    assert_finds(file, "carl@example.net", "group:stores destuser=c");
    assert_finds(file, "@example.org", "reject moved: ask us # not a comment");
    assert_finds(file, "dora", "[::1]:110");
    assert_finds(file, "last", "127.0.0.1");
    assert_finds(file, "ann", NULL);
    assert_finds(file, "Anna", NULL);
    assert_finds(file, "# users", NULL);
    assert_finds(file, "", NULL);
    route_file_free(file);
}

static const struct {
    const char *text;
    const char *error; /* after the path */
} broken[] = {
    {"a x\nb\n", ":2: expected a key, then a colon or blanks, then a value"},
    {"a x\n b y\n", ":2: the line begins without a key"},
    {": x\n", ":1: the line begins without a key"},
    {"a x\n#\na y\n", ":3: the key a stands in line 1 already; remove one of them"},
    {"Ab x\nb y\nc z\nb u", ":4: the key b stands in line 2 already; remove one of them"},
    {"a \n", ":1: expected a key, then a colon or blanks, then a value"},
    {"a:\n", ":1: the value is empty"},
    {"a host=\n", ":1: host: malformed value"},
    {"a group:stores\nb group:others\n", ":2: there is no [group others] in the configuration"},
    {"a\x01 x\n", ":1: expected a key, then a colon or blanks, then a value"},
};

static void test_broken_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct error error = {.text = ""};

        write_file(broken[i].text, strlen(broken[i].text));
        assert_null(load(&error));
        assert_memory_equal(error.text, path, strlen(path));
        assert_string_equal(error.text + strlen(path), broken[i].error);
    }
}

static void test_nul_is_refused(void **state)
{
    struct error error;

    (void)state;
    write_file("a x\nb\0c y\n", 10);
    assert_null(load(&error));
    assert_non_null(strstr(error.text, ":2: a NUL octet"));
}

static void test_what_is_no_file(void **state)
{
    struct error error;

    (void)state;
    assert_null(route_file_open("/nonexistent/file", NULL, &error));
    assert_non_null(strstr(error.text, "No such file"));
    assert_null(route_file_open("/tmp", NULL, &error));
    assert_non_null(strstr(error.text, "not a regular file"));
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(route_file_open(path, NULL, &error));
    assert_non_null(strstr(error.text, "not a regular file"));
    (void)unlink(path);
}

static void test_empty_file_knows_nobody(void **state)
{
    struct error error;
    struct route_file *file;

    (void)state;
    write_file("", 0);
    file = load(&error);
    assert_non_null(file);
    assert_finds(file, "anna", NULL);
    route_file_free(file);
}

static void test_many_keys(void **state)
{
    char *text = malloc(MANY * 40);
    size_t length = 0;
    struct error error = {.text = ""};
    struct route_file *file;

    (void)state;
    for (int i = 0; i < MANY; i++)
        length += (size_t)sprintf(text + length, "user%d store%d.example.net\n", i, i % 7);
    write_file(text, length);
    free(text);
    file = load(&error);
    assert_string_equal(error.text, "");
    assert_int_equal(route_file_count(file), MANY);
    for (int i = 0; i < MANY; i++) {
        char key[32];
        char value[32];

        sprintf(key, "user%d", i);
        sprintf(value, "store%d.example.net", i % 7);
        assert_finds(file, key, value);
    }
    assert_finds(file, "user100000", NULL);
    route_file_free(file);
}

static void test_change_while_reading_is_refused(void **state)
{
    struct error error = {.text = ""};
    struct route_file *file;

    (void)state;
    write_file("a x\n", 4);
    file = route_file_open(path, NULL, &error);
    assert_non_null(file);
    write_file("a x\nb y\n", 8);
    assert_int_equal(route_file_read(file, &error), -1);
    assert_non_null(strstr(error.text, "changed while it was read"));
    route_file_free(file);
}

static void test_change_is_seen(void **state)
{
    struct error error;
    struct route_file *file;
    struct stat now;

    (void)state;
    write_file("a x\n", 4);
    file = load(&error);
    assert_int_equal(stat(path, &now), 0);
    assert_true(route_file_is_same(&now, route_file_state(file)));
    write_file("a yy\n", 5);
    assert_int_equal(stat(path, &now), 0);
    assert_false(route_file_is_same(&now, route_file_state(file)));
    route_file_free(file);
}

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/table", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_nul_is_refused),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_empty_file_knows_nobody),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_change_while_reading_is_refused),
        cmocka_unit_test(test_change_is_seen),
    };

    return cmocka_run_group_tests_name("route file", tests, make_directory, remove_directory);
}
