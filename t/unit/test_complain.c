/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages on standard error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/complain.h"

static void test_complain(void **state)
{
    int stderr_fd = dup(STDERR_FILENO);
    char text[128] = "";
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    complain("%s: %d files", "a", 2);
    complain_text(NULL, "100% as it is");
    dup2(stderr_fd, STDERR_FILENO);
    assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "pop3.proxy: a: 2 files\npop3.proxy: 100% as it is\n");
    close(fds[0]);
    close(fds[1]);
    close(stderr_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complain),
    };

    return cmocka_run_group_tests_name("complain", tests, NULL, NULL);
}
