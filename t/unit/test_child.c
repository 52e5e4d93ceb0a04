/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a forked child keeps of its parent's signals and descriptors. The child exits with the
 * number of the first thing that is wrong.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/child.h"

static void on_signal(int number)
{
    (void)number;
}

static bool is_blocked(int number)
{
    sigset_t mask;

    sigprocmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, number) == 1;
}

static bool is_handled_by(int number, void (*handler)(int))
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == handler;
}

static void expect_end(pid_t pid, int expected)
{
    int status;

    assert_int_not_equal(pid, -1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, expected);
}

static int check_reset(void)
{
    static const int own[] = {SIGUSR1};
    sigset_t none;

    if (!is_blocked(SIGTERM) || !is_handled_by(SIGTERM, on_signal))
        return 1;
    raise(SIGUSR1);
    child_reset_signals(own, 1);
    if (!is_handled_by(SIGTERM, SIG_IGN) || !is_handled_by(SIGPIPE, SIG_IGN))
        return 2;
    if (!is_handled_by(SIGUSR1, SIG_DFL) || !is_handled_by(SIGCHLD, SIG_DFL))
        return 3;
    if (!is_blocked(SIGTERM))
        return 4;
    raise(SIGTERM);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* a signal that is pending ends it here */
    return 5;
}

/* The C library keeps the numbers from 32 up to SIGRTMIN for itself and tells nothing about them. */
enum { STANDARD_SIGNALS = 31 };

static int check_restored(void)
{
    child_restore_signals();
    for (int number = 1; number <= STANDARD_SIGNALS; number++)
        if (number != SIGKILL && number != SIGSTOP &&
            (!is_handled_by(number, SIG_DFL) || is_blocked(number)))
            return number;
    return 0;
}

static void test_signals(void **state)
{
    pid_t pid;

    (void)state;
    signal(SIGTERM, on_signal);
    signal(SIGCHLD, on_signal);
    signal(SIGPIPE, SIG_IGN);
    pid = child_fork();
    if (pid == 0)
        _exit(check_reset());
    assert_false(is_blocked(SIGTERM));
    expect_end(pid, SIGUSR1);
    pid = child_fork();
    if (pid == 0)
        _exit(check_restored());
    expect_end(pid, 0);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
}

static int check_descriptors(int kept)
{
    const int keep[] = {kept, -1};
    struct stat null;
    struct stat found;

    child_drop_descriptors(keep, 2);
    if (stat("/dev/null", &null) == -1)
        return 1;
    for (int fd = 0; fd < 3; fd++)
        if (fstat(fd, &found) == -1 || found.st_rdev != null.st_rdev)
            return 2;
    for (int fd = 3; fd < 64; fd++)
        if ((fcntl(fd, F_GETFD) != -1) != (fd == kept))
            return 3;
    return 0;
}

static void test_descriptors(void **state)
{
    int lower = dup(STDERR_FILENO);
    int kept = dup(STDERR_FILENO);
    int higher = dup(STDERR_FILENO);
    pid_t pid;

    (void)state;
    pid = child_fork();
    if (pid == 0)
        _exit(check_descriptors(kept));
    expect_end(pid, 0);
    close(lower);
    close(kept);
    close(higher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_descriptors),
    };

    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
