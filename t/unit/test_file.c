/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files: what is opened, when two are the same file, and errno after a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static char directory[] = "/tmp/test_file.XXXXXX";
static char plain[64], link_to_plain[64], fifo[64], other[64];

static void make(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(plain, sizeof(plain), "%s/plain", directory);
    snprintf(link_to_plain, sizeof(link_to_plain), "%s/link", directory);
    snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
    snprintf(other, sizeof(other), "%s/other", directory);
    make(plain, "12345");
    make(other, "12345");
    return symlink(plain, link_to_plain) == 0 && mkfifo(fifo, 0600) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink(plain);
    unlink(link_to_plain);
    unlink(fifo);
    unlink(other);
    return rmdir(directory);
}

static void test_open(void **state)
{
    struct stat status;
    int fd = file_open_regular(link_to_plain, &status);

    (void)state;
    assert_int_not_equal(fd, -1);
    assert_int_equal(status.st_size, 5);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    fd = file_open_regular(plain, NULL);
    assert_int_not_equal(fd, -1);
    close(fd);
}

static void check_refused(const char *path, int error)
{
    errno = 0;
    assert_int_equal(file_open_regular(path, NULL), -1);
    assert_int_equal(errno, error);
}

static void test_refused(void **state)
{
    (void)state;
    check_refused(fifo, EINVAL); /* without waiting for a writer */
    check_refused("/dev/null", EINVAL);
    check_refused(directory, EISDIR);
    check_refused("/nowhere", ENOENT);
}

static void test_same(void **state)
{
    int fd = file_open_regular(plain, NULL);

    (void)state;
    assert_true(file_is_at(fd, plain));
    assert_false(file_is_at(fd, other));
    assert_false(file_is_at(fd, link_to_plain));
    assert_false(file_is_at(fd, NULL));
    assert_false(file_is_at(-1, plain));
    assert_int_equal(rename(other, plain), 0);
    assert_false(file_is_at(fd, plain));
    make(other, "");
    close(fd);
}

static void test_close_failed(void **state)
{
    int fd = file_open_regular(plain, NULL);

    (void)state;
    errno = EXDEV;
    assert_int_equal(file_close_failed(fd), -1);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    errno = EXDEV;
    assert_int_equal(file_close_failed(-1), -1);
    assert_int_equal(errno, EXDEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_close_failed),
    };

    return cmocka_run_group_tests_name("file", tests, setup, teardown);
}
