/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing descriptors with close_range(), without it, and without it and /proc. A child does it,
 * because the test needs its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/descriptors.h"

enum { HIGHEST = 900, LIMIT = 1024, LOW_LIMIT = 64 };

static bool has_close_range;
static bool has_proc;

int __wrap_close_range(unsigned first, unsigned last, int flags);
int __real_close_range(unsigned first, unsigned last, int flags);
DIR *__wrap_opendir(const char *path);
DIR *__real_opendir(const char *path);

int __wrap_close_range(unsigned first, unsigned last, int flags)
{
    if (has_close_range)
        return __real_close_range(first, last, flags);
    errno = ENOSYS;
    return -1;
}

DIR *__wrap_opendir(const char *path)
{
    errno = ENOENT;
    return has_proc ? __real_opendir(path) : NULL;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

/* The number of the first descriptor that is not as it should be, or 0. */
static int check_all_but(int first_kept, int second_kept)
{
    for (int fd = 0; fd <= HIGHEST; fd++) {
        bool must_be_open = fd <= STDERR_FILENO || fd == first_kept || fd == second_kept;
        if (is_open(fd) != must_be_open)
            return fd;
    }
    return 0;
}

static int close_in_child(void)
{
    static const int opened[] = {3, 4, 7, 8, 9, 40, 41, HIGHEST};
    struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};
    int keep[] = {41, -1, 8, 8, 1};

    setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
        dup2(STDERR_FILENO, opened[i]);
    /* A descriptor may be above the soft limit. */
    limit.rlim_cur = LOW_LIMIT;
    setrlimit(RLIMIT_NOFILE, &limit);
    descriptors_close_all_but(keep, sizeof(keep) / sizeof(keep[0]));
    if (check_all_but(8, 41) != 0)
        return 1;
    descriptors_close_from(9);
    return check_all_but(8, 8) == 0 ? 0 : 2;
}

static void check(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(close_in_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_close_range(void **state)
{
    (void)state;
    has_close_range = true;
    check();
}

static void test_proc(void **state)
{
    (void)state;
    has_close_range = false;
    has_proc = true;
    check();
}

static void test_nothing(void **state)
{
    (void)state;
    has_close_range = has_proc = false;
    check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_range),
        cmocka_unit_test(test_proc),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
