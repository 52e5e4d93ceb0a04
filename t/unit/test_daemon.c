/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pidfile, when its last owner removes it between open and lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/daemon.h"

static char path[] = "/tmp/test_daemon.XXXXXX";
static bool is_owner_late;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_flock(int fd, int operation)
{
    if (is_owner_late)
        assert_int_equal(unlink(path), 0);
    is_owner_late = false;
    return __real_flock(fd, operation);
}

static long number_in_file(void)
{
    FILE *file = fopen(path, "r");
    long number = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &number), 1);
    fclose(file);
    return number;
}

static void test_removed_before_the_lock(void **state)
{
    struct error error;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    is_owner_late = true;
    assert_int_equal(pidfile_prepare(path, &error), 0);
    assert_false(is_owner_late);
    pidfile_commit();
    assert_int_equal(number_in_file(), getpid());
    pidfile_remove();
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removed_before_the_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
