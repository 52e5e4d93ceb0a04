/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scoreboard: texts are cut and cleaned, and copies are whole although another process writes
 * all the time or died while it wrote.
 */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pool/scoreboard.h"

#include "config.h"

/* ---- the state ---- */

/* Rows: from. Columns: to, in the order of the enum. */
static const char *const legal_moves[] = {
    [SCOREBOARD_FREE] = "yes yes no  yes no  no ",
    [SCOREBOARD_STARTING] = "yes no  yes no  yes no ",
    [SCOREBOARD_IDLE] = "yes no  no  yes yes no ",
    [SCOREBOARD_BUSY] = "yes no  yes no  yes yes",
    [SCOREBOARD_LEAVING] = "yes no  no  no  no  no ",
    [SCOREBOARD_RESTING] = "yes no  yes no  no  no ",
    [SCOREBOARD_STATE_COUNT] = "yes no  no  no  no  no ", /* a number that is no state */
};

static bool is_legal(int from, int to)
{
    return legal_moves[from][4 * to] == 'y';
}

static void test_moves(void **state)
{
    (void)state;
    for (int from = 0; from <= SCOREBOARD_STATE_COUNT; from++)
        for (int to = 0; to < SCOREBOARD_STATE_COUNT; to++)
            assert_int_equal(
                scoreboard_is_legal_move((enum scoreboard_state)from, (enum scoreboard_state)to),
                is_legal(from, to));
}

/* The signal that a process dies of which makes the move; 0: it lives. */
static int signal_of_move(int from, int to)
{
    struct scoreboard *scoreboard = scoreboard_new(1);
    struct rlimit no_core = {0};
    int status;
    pid_t pid;

    assert_non_null(scoreboard);
    atomic_store(&scoreboard->slots[0].state, from);
    pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        scoreboard_set_state(&scoreboard->slots[0], (enum scoreboard_state)to);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || atomic_load(&scoreboard->slots[0].state) == to);
    scoreboard_free(scoreboard, 1);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* A build with checks aborts at an illegal move; a release goes on. */
static void test_illegal_move(void **state)
{
#ifdef WITH_CHECKS
    int aborts = SIGABRT;
#else
    int aborts = 0;
#endif

    (void)state;
    assert_int_equal(signal_of_move(SCOREBOARD_IDLE, SCOREBOARD_BUSY), 0);
    assert_int_equal(signal_of_move(SCOREBOARD_IDLE, SCOREBOARD_STARTING), aborts);
    assert_int_equal(signal_of_move(SCOREBOARD_LEAVING, SCOREBOARD_IDLE), aborts);
    assert_int_equal(signal_of_move(123456, SCOREBOARD_BUSY), aborts);
    assert_int_equal(signal_of_move(-1, SCOREBOARD_FREE), 0);
}

/* ---- numbers that anybody may have written ---- */

static void test_numbers(void **state)
{
    static const int no_index[] = {-1, SESSION_STAGE_COUNT, SCOREBOARD_STATE_COUNT, INT_MAX,
                                   INT_MIN};
    static const int64_t no_time[] = {INT64_MIN, -1, 1001, INT64_MAX};
    struct scoreboard_slot slot = {0};

    (void)state;
    atomic_store(&slot.stage, SESSION_STAGE_RELAY);
    assert_string_equal(scoreboard_stage_word(&slot), "relay");
    for (size_t i = 0; i < sizeof(no_index) / sizeof(no_index[0]); i++) {
        atomic_store(&slot.stage, no_index[i]);
        atomic_store(&slot.state, no_index[i]);
        if (no_index[i] < 0 || no_index[i] >= SESSION_STAGE_COUNT)
            assert_string_equal(scoreboard_stage_word(&slot), "unknown");
        if (no_index[i] < 0 || no_index[i] >= SCOREBOARD_STATE_COUNT)
            assert_int_equal(scoreboard_state(&slot), SCOREBOARD_STATE_COUNT);
    }
    atomic_store(&slot.started_ms, 300);
    assert_int_equal(scoreboard_age_ms(&slot, 1000), 700);
    for (size_t i = 0; i < sizeof(no_time) / sizeof(no_time[0]); i++) {
        atomic_store(&slot.started_ms, no_time[i]);
        assert_in_range(scoreboard_age_ms(&slot, 1000), 0, 1000);
    }
}

/* ---- texts ---- */

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
    assert_string_equal(texts.user + SCOREBOARD_USER_SIZE - 5, "x\xe2\x80\xa6");
    scoreboard_write_texts(&scoreboard->slots[2], NULL, NULL, "j\xc3\xb6 \xe2\x80\xae\x9b", NULL);
    assert_true(scoreboard_read_texts(&scoreboard->slots[2], &texts));
    assert_string_equal(texts.user, "j\xc3\xb6 ??");
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

/* A writer died in the middle: nothing is shown, and the next writer repairs it. */
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
        cmocka_unit_test(test_moves),         cmocka_unit_test(test_illegal_move),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_texts),
        cmocka_unit_test(test_other_process), cmocka_unit_test(test_dead_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
