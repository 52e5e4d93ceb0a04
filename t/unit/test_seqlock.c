/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sequence lock: what a reader gets while another process writes without a pause, and after a
 * writer has died.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/seqlock.h"
#include "base/shared.h"

enum { WORDS = 64, READS = 20000 };

struct guarded {
    struct seqlock lock;
    uint64_t words[WORDS];
};

static void write_words(struct guarded *guarded, uint64_t value)
{
    seqlock_begin_write(&guarded->lock);
    for (int i = 0; i < WORDS; i++)
        guarded->words[i] = value;
    seqlock_end_write(&guarded->lock);
}

static int setup(void **state)
{
    *state = shared_new(sizeof(struct guarded));
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    shared_free(*state, sizeof(struct guarded));
    return 0;
}

static void test_read(void **state)
{
    struct guarded *guarded = *state;
    uint64_t words[WORDS];

    assert_false(seqlock_is_used(&guarded->lock));
    assert_true(seqlock_read(&guarded->lock, words, guarded->words, sizeof(words)));
    write_words(guarded, 7);
    assert_true(seqlock_is_used(&guarded->lock));
    assert_true(seqlock_read(&guarded->lock, words, guarded->words, sizeof(words)));
    assert_memory_equal(words, guarded->words, sizeof(words));
}

static void test_dead_writer(void **state)
{
    struct guarded *guarded = *state;
    uint64_t words[WORDS];

    seqlock_begin_write(&guarded->lock);
    assert_true(seqlock_is_used(&guarded->lock));
    assert_false(seqlock_read(&guarded->lock, words, guarded->words, sizeof(words)));
    write_words(guarded, 8); /* another writer takes over */
    assert_true(seqlock_read(&guarded->lock, words, guarded->words, sizeof(words)));
    assert_int_equal(words[WORDS - 1], 8);
}

static void test_busy_writer(void **state)
{
    struct guarded *guarded = *state;
    unsigned whole = 0;
    int status;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    for (uint64_t i = 1; pid == 0; i++)
        write_words(guarded, i);
    for (int i = 0; i < READS; i++) {
        uint64_t words[WORDS];

        if (!seqlock_read(&guarded->lock, words, guarded->words, sizeof(words)))
            continue;
        whole++;
        for (int k = 1; k < WORDS; k++)
            assert_true(words[k] == words[0]);
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(whole > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_writer, setup, teardown),
    };

    return cmocka_run_group_tests_name("seqlock", tests, NULL, NULL);
}
