/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that one binary passes to the next through the environment.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/inherit.h"

#define NAME "POP3_PROXY_TEST_FD"

static int new_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd > STDERR_FILENO);
    return fd;
}

static void test_one_with_a_text(void **state)
{
    int fd = new_descriptor();
    char *text;

    (void)state;
    inherit_pass(NAME, fd, "/run/a,b:c");
    assert_int_equal(fcntl(fd, F_GETFD), 0);
    assert_int_equal(inherit_take(NAME, &text), fd);
    assert_string_equal(text, "/run/a,b:c");
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_null(getenv(NAME));
    free(text);
    assert_int_equal(inherit_take(NAME, &text), -1);
    assert_null(text);
    close(fd);
}

static void test_several(void **state)
{
    int passed[] = {new_descriptor(), new_descriptor(), new_descriptor()};
    int taken[4];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        inherit_pass(NAME, passed[i], NULL);
    inherit_pass(NAME, -1, NULL);
    assert_int_equal(inherit_take_all(NAME, taken, 4), 3);
    assert_memory_equal(taken, passed, sizeof(passed));
    assert_int_equal(inherit_take_all(NAME, taken, 4), 0);
    for (size_t i = 0; i < 3; i++)
        inherit_pass(NAME, passed[i], NULL);
    assert_int_equal(inherit_take_all(NAME, taken, 2), 2);
    for (size_t i = 0; i < 3; i++)
        close(passed[i]);
}

/* The caller may have put anything into the environment. */
static void test_nonsense(void **state)
{
    static const char *const values[] = {"",      ":",   ",",           "x",          "0",
                                         "2",     "-1",  "99999999999", "1048575",    "4294967299",
                                         ":/tmp", "2:x", "x,y",         "1048575,-7,"};
    int fds[4];

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char *text;

        setenv(NAME, values[i], 1);
        assert_int_equal(inherit_take(NAME, &text), -1);
        assert_null(text);
        setenv(NAME, values[i], 1);
        assert_int_equal(inherit_take_all(NAME, fds, 4), 0);
        assert_null(getenv(NAME));
    }
}

static void test_successor(void **state)
{
    int fd = new_descriptor();

    (void)state;
    assert_false(inherit_is_successor());
    inherit_pass(INHERIT_READY, fd, NULL);
    assert_true(inherit_is_successor());
    assert_int_equal(inherit_take(INHERIT_READY, NULL), fd);
    assert_false(inherit_is_successor());
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_with_a_text),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_successor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
