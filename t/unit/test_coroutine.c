/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coroutines: each keeps its own variables across switches, thousands exist at once, stacks are
 * used again, trimmed ones go on, and the guard page catches one that uses too much stack.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/coroutine.h"

struct counter {
    struct coroutine coroutine;
    int id;
    int seen;
    double half; /* floating point registers are kept, too */
};

/* Uses `depth` KiB of the stack, and suspends at the deepest point. */
static int __attribute__((noinline)) dive(int depth, int value)
{
    volatile char room[1024];

    memset((void *)(uintptr_t)room, value, sizeof(room));
    if (depth > 0)
        return dive(depth - 1, value) + room[0] - value;
    coroutine_suspend();
    return room[1023];
}

static void count(struct coroutine *self)
{
    struct counter *counter = (struct counter *)self;

    for (int i = 0; i < 10; i++) {
        double exact = counter->half * i;
        coroutine_suspend();
        assert_true(exact == counter->half * i);
        counter->seen++;
    }
    assert_int_equal(dive(8, counter->id % 100), counter->id % 100);
}

static struct counter *counter_new(int id)
{
    struct counter *counter = coroutine_new(sizeof(*counter), count);

    assert_non_null(counter);
    assert_int_equal(counter->seen, 0);
    counter->id = id;
    counter->half = id / 2.0;
    return counter;
}

static void test_many(void **state)
{
    enum { MANY = 3000, ROUNDS = 11 };
    static struct counter *all[MANY];

    (void)state;
    for (int again = 0; again < 3; again++) {
        for (int i = 0; i < MANY; i++)
            all[i] = counter_new(i);
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < MANY; i++) {
                assert_true(coroutine_resume(&all[i]->coroutine));
                assert_int_equal(all[i]->seen, round);
            }
        for (int i = 0; i < MANY; i++)
            assert_false(coroutine_resume(&all[i]->coroutine));
        (void)coroutine_trim_unused(10, again == 0 ? 100 : MANY);
    }
    assert_true(coroutine_trim_unused(0, 64 * MANY));
}

static void go_deep_twice(struct coroutine *self)
{
    struct counter *counter = (struct counter *)self;
    int there = 4711;

    (void)dive(30, 1);
    coroutine_suspend();
    assert_int_equal(there, 4711);
    assert_int_equal(counter->id, 5);
    assert_int_equal(dive(30, 7), 7);
}

static void test_trimmed(void **state)
{
    struct counter *one = coroutine_new(sizeof(*one), go_deep_twice);

    (void)state;
    one->id = 5;
    coroutine_trim(&one->coroutine); /* before it has ever run */
    for (int i = 0; i < 3; i++) {
        assert_true(coroutine_resume(&one->coroutine));
        coroutine_trim(&one->coroutine);
    }
    assert_false(coroutine_resume(&one->coroutine));
}

static void go_too_deep(struct coroutine *self)
{
    (void)self;
    (void)dive(100000, 1);
}

static void test_guard(void **state)
{
    struct rlimit none = {0, 0};
    int status;
    pid_t pid;

    (void)state;
    if (getenv("POP3_TEST_EMULATED") != NULL)
        skip(); /* qemu-user ignores what madvise() is told of the guard */
    pid = fork();
    if (pid == 0) {
        struct counter *one = coroutine_new(sizeof(*one), go_too_deep);
        (void)setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        (void)coroutine_resume(&one->coroutine);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_trimmed),
        cmocka_unit_test(test_guard),
    };

    return coroutine_is_supported() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
