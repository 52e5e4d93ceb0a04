/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether processors have time, from counters that the kernel may also set back.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu_idle.h"

static char counts[64];
static int64_t now_ms = 1000;

FILE *__wrap_fopen(const char *path, const char *mode);
int64_t __wrap_clock_now_ms(void);

FILE *__wrap_fopen(const char *path, const char *mode)
{
    (void)path;
    (void)mode;
    return fmemopen(counts, strlen(counts), "r");
}

int64_t __wrap_clock_now_ms(void)
{
    return now_ms += 1000;
}

/* The first processor of this process. */
static void count(unsigned busy, unsigned idle)
{
    cpu_set_t mine;
    size_t number = 0;

    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    while (!CPU_ISSET(number, &mine))
        number++;
    snprintf(counts, sizeof(counts), "cpu%zu %u 0 0 %u 0 0 0\n", number, busy, idle);
}

static void test_time(void **state)
{
    struct cpu_idle cpu;

    (void)state;
    count(1000, 1000);
    cpu_idle_begin(&cpu);
    assert_false(cpu.has_time);
    count(1090, 1010);
    assert_true(cpu_idle_has_time(&cpu));
    count(1190, 1019);
    assert_false(cpu_idle_has_time(&cpu));
    count(1390, 1018); /* the idle time goes backwards */
    assert_false(cpu_idle_has_time(&cpu));
    count(1400, 1038);
    assert_true(cpu_idle_has_time(&cpu));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
