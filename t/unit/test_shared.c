/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory between a process and its children: who sees it, and who can write it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/shared.h"

enum { SIZE = 4096 };

/* Whether `test` is true in a child. */
static bool is_true_in_child(bool (*test)(char *memory, const char *view), char *memory,
                             const char *view)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(test(memory, view) ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The kernel can read an octet there: a system call fails otherwise, and nobody is killed. */
static bool is_mapped(const char *memory)
{
    int fds[2];
    bool is_readable;

    if (pipe(fds) == -1)
        return false;
    is_readable = write(fds[1], memory, 1) == 1;
    close(fds[0]);
    close(fds[1]);
    return is_readable;
}

static bool writes(char *memory, const char *view)
{
    memory[1] = 'b';
    return is_mapped(memory) && view == NULL;
}

static void test_children_share(void **state)
{
    char *memory = shared_new(SIZE);

    (void)state;
    assert_non_null(memory);
    assert_true(is_true_in_child(writes, memory, NULL));
    assert_int_equal(memory[1], 'b');
    shared_free(memory, SIZE);
}

/* Under qemu-user, which ignores that madvise() keeps memory from children. */
static bool is_emulated(void)
{
    return getenv("POP3_TEST_EMULATED") != NULL;
}

static bool is_hidden(char *memory, const char *view)
{
    (void)view;
    return !is_mapped(memory);
}

static void test_children_do_not_see(void **state)
{
    char *memory = unshared_new(SIZE);

    (void)state;
    if (is_emulated())
        skip();
    assert_non_null(memory);
    memory[0] = 'a';
    assert_true(is_true_in_child(is_hidden, memory, NULL));
    shared_free(memory, SIZE);
}

static bool can_only_read(char *memory, const char *view)
{
    return !is_mapped(memory) && view[0] == 'a' && view[SIZE - 1] == '\0' &&
           mprotect((void *)(uintptr_t)view, SIZE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES;
}

static bool sees_the_change(char *memory, const char *view)
{
    (void)memory;
    return view[0] == 'b';
}

static void test_children_can_only_read(void **state)
{
    const void *view;
    char *memory = published_new(SIZE, &view);

    (void)state;
    if (is_emulated())
        skip();
    assert_non_null(memory);
    memory[0] = 'a';
    assert_true(is_true_in_child(can_only_read, memory, view));
    memory[0] = 'b';
    assert_true(is_true_in_child(sees_the_change, memory, view));
    shared_free(memory, SIZE);
    shared_free(view, SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children_share),
        cmocka_unit_test(test_children_do_not_see),
        cmocka_unit_test(test_children_can_only_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
