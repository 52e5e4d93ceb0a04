/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scoreboard: texts that are cut and cleaned, and copies that are whole although another
 * process writes all the time, or died while it did.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pool/scoreboard.h"

static void test_texts(void **state)
{
    struct scoreboard *scoreboard = scoreboard_new(3);
    struct scoreboard_texts texts;
    char name[200];

    (void)state;
    assert_non_null(scoreboard);
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    scoreboard_write_texts(&scoreboard->slots[2], "id", "::1", name, "a b\n\x1b\xe4");
    assert_true(scoreboard_read_texts(&scoreboard->slots[2], &texts));
    assert_string_equal(texts.id, "id");
    assert_string_equal(texts.client, "::1");
    assert_int_equal(strlen(texts.user), SCOREBOARD_USER_SIZE - 1);
    assert_string_equal(texts.server, "a?b???");
    scoreboard_write_texts(&scoreboard->slots[2], NULL, NULL, "", NULL);
    assert_true(scoreboard_read_texts(&scoreboard->slots[2], &texts));
    assert_string_equal(texts.id, "id");
    assert_string_equal(texts.user, "");
    assert_true(scoreboard_read_texts(&scoreboard->slots[0], &texts));
    assert_string_equal(texts.id, "");
    scoreboard_free(scoreboard, 3);
    scoreboard_free(NULL, 3);
}

static _Noreturn void write_for_ever(struct scoreboard_slot *slot)
{
    static char text[SCOREBOARD_ID_SIZE];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60); /* whatever becomes of the test */
    for (unsigned i = 0;; i++) {
        memset(text, 'a' + (int)(i % 26), i % (sizeof(text) - 1));
        text[i % (sizeof(text) - 1)] = '\0';
        scoreboard_write_texts(slot, text, text, text, text);
    }
}

/* All four were written as one: a copy in which they differ is torn. Returns whether it is. */
static bool is_torn(const struct scoreboard_texts *texts)
{
    return strcmp(texts->id, texts->client) != 0 || strcmp(texts->id, texts->user) != 0 ||
           strcmp(texts->id, texts->server) != 0;
}

/* Reads a hundred thousand times, and until it has seen a hundred changes (one a time slice where
 * there is one processor). Returns whether there was a torn copy. */
static bool read_changes(const struct scoreboard_slot *slot)
{
    struct scoreboard_texts texts, before = {0};
    int changes = 0;

    for (int i = 0; i < 100000 || changes < 100; i++) {
        if (!scoreboard_read_texts(slot, &texts))
            continue;
        if (is_torn(&texts))
            return true;
        if (strcmp(texts.id, before.id) != 0)
            changes++;
        before = texts;
    }
    return false;
}

static void test_other_process(void **state)
{
    struct scoreboard *scoreboard = scoreboard_new(1);
    bool found_torn;
    pid_t writer;

    (void)state;
    assert_non_null(scoreboard);
    writer = fork();
    assert_int_not_equal(writer, -1);
    if (writer == 0)
        write_for_ever(&scoreboard->slots[0]);
    alarm(60); /* one that writes nothing */
    found_torn = read_changes(&scoreboard->slots[0]);
    alarm(0);
    kill(writer, SIGKILL);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    assert_false(found_torn);
    scoreboard_free(scoreboard, 1);
}

/* Died in the middle: nothing to show, and the next writer mends it. */
static void test_dead_writer(void **state)
{
    struct scoreboard *scoreboard = scoreboard_new(1);
    struct scoreboard_texts texts;

    (void)state;
    scoreboard_write_texts(&scoreboard->slots[0], "a", "b", "c", "d");
    seqlock_begin_write(&scoreboard->slots[0].texts_lock);
    assert_false(scoreboard_read_texts(&scoreboard->slots[0], &texts));
    assert_string_equal(texts.id, "");
    scoreboard_write_texts(&scoreboard->slots[0], "e", "f", "g", "h");
    assert_true(scoreboard_read_texts(&scoreboard->slots[0], &texts));
    assert_string_equal(texts.id, "e");
    scoreboard_free(scoreboard, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_other_process),
        cmocka_unit_test(test_dead_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
