/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines that come in floods: the first is written, the others are counted, and no line is lost or
 * counted twice, however many processes write. Includes the module, to see its table.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../src/base/log_repeat.c"

static char path[] = "/tmp/test_log_repeat.XXXXXX";
static char text[65536];

static int open_all(void **state)
{
    struct error error;
    int fd;

    (void)state;
    memcpy(path + sizeof(path) - sizeof("XXXXXX"), "XXXXXX", sizeof("XXXXXX"));
    fd = mkstemp(path);
    if (fd == -1 || log_open(path, &error) == -1)
        return -1;
    close(fd);
    return log_repeat_open() == -1 ? -1 : 0;
}

static int close_all(void **state)
{
    struct error error;

    (void)state;
    shared_free(table, sizeof(*table));
    table = NULL;
    close(timer_fd);
    timer_fd = -1;
    unlink(path);
    return log_open("stderr", &error);
}

/* Writes a line of this kind, or counts it. */
static bool write_line(enum event event, const char *kind)
{
    struct log_line line;

    log_repeat_begin(&line, event);
    log_add(&line, "kind", kind);
    if (!log_repeat_is_first(&line))
        return false;
    log_message(event, "%s", kind);
    return true;
}

static const char *read_log(void)
{
    FILE *file = fopen(path, "re");
    size_t length;

    assert_non_null(file);
    length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    return text;
}

static unsigned count_of(const char *what)
{
    unsigned count = 0;

    for (const char *at = read_log(); (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

/* The sum of all counts that the log tells of this kind. */
static unsigned long sum_of(const char *kind)
{
    char begin[64];
    unsigned long sum = 0;

    snprintf(begin, sizeof(begin), "kind=%s count=", kind);
    for (const char *at = read_log(); (at = strstr(at, begin)) != NULL; at += strlen(begin))
        sum += strtoul(at + strlen(begin), NULL, 10);
    return sum;
}

static void test_flood(void **state)
{
    (void)state;
    assert_true(write_line(EVENT_WORKER_DIED, "a"));
    for (int i = 0; i < 5; i++)
        assert_false(write_line(EVENT_WORKER_DIED, "a"));
    assert_true(write_line(EVENT_WORKER_DIED, "b")); /* another kind */
    assert_true(write_line(EVENT_SESSION, "a"));     /* another event */
    assert_int_equal(count_of("event=worker-died"), 2);
    log_repeat_tell();
    assert_non_null(strstr(read_log(), "event=repeated of=worker-died kind=a count=5\n"));
    assert_int_equal(count_of("event=repeated"), 1);
}

/* As long as more come, they are only counted; after a time without one, the next is written. */
static void test_end_of_flood(void **state)
{
    (void)state;
    assert_true(write_line(EVENT_SESSION, "a"));
    for (int i = 0; i < 3; i++) {
        assert_false(write_line(EVENT_SESSION, "a"));
        log_repeat_tell();
    }
    assert_int_equal(count_of("kind=a count=1\n"), 3);
    log_repeat_tell();
    assert_true(write_line(EVENT_SESSION, "a"));
    assert_int_equal(count_of("event=repeated"), 3);
}

static void test_timer(void **state)
{
    struct pollfd due = {.fd = log_repeat_descriptor(), .events = POLLIN};

    (void)state;
    assert_int_equal(poll(&due, 1, 0), 0);
    assert_true(write_line(EVENT_SESSION, "a"));
    assert_int_equal(poll(&due, 1, -1), 1);
    assert_false(write_line(EVENT_SESSION, "a"));
    log_repeat_tell();
    assert_int_equal(poll(&due, 1, -1), 1); /* it goes on */
    log_repeat_tell();
    assert_int_equal(atomic_load(&table->due_ms), 0); /* nothing is left */
}

/* A process was killed after it had written the time and before it set the timer: the next line sets
 * it, whether that is written or only counted. */
static void test_timer_that_was_not_set(void **state)
{
    struct pollfd due = {.fd = log_repeat_descriptor(), .events = POLLIN};

    (void)state;
    atomic_store(&table->due_ms, clock_now_ms() - PERIOD_MS);
    assert_true(write_line(EVENT_SESSION, "a"));
    assert_int_equal(poll(&due, 1, -1), 1);
    log_repeat_tell();
    assert_true(write_line(EVENT_SESSION, "b"));
    (void)timerfd_settime(timer_fd, 0, &(struct itimerspec){0}, NULL);
    atomic_store(&table->due_ms, clock_now_ms() - PERIOD_MS);
    assert_false(write_line(EVENT_SESSION, "b"));
    assert_int_equal(poll(&due, 1, -1), 1);
    log_repeat_tell();
    assert_int_equal(sum_of("b"), 1);
}

static void test_message(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        log_repeat_message(EVENT_PRIVILEGES, "cannot become %d", 65535);
    log_repeat_message(EVENT_PRIVILEGES, "cannot become %d", 65534);
    assert_int_equal(count_of("event=privileges text=\"cannot become 65535\""), 1);
    assert_int_equal(count_of("event=privileges text=\"cannot become 65534\""), 1);
    log_repeat_tell();
    assert_int_equal(count_of("of=privileges text=\"cannot become 65535\" count=3\n"), 1);
}

/* Then every line is written. */
static void test_without_room(void **state)
{
    static char name[TEXT_BYTES];
    struct log_line line;

    (void)state;
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        atomic_store(&table->entries[i].owner, COUNT_MAX + 1);
    assert_true(write_line(EVENT_SESSION, "a"));
    assert_true(write_line(EVENT_SESSION, "a"));
    memset(table, 0, sizeof(*table));
    memset(name, 'x', sizeof(name) - 1);
    for (int i = 0; i < 2; i++) {
        log_repeat_begin(&line, EVENT_SESSION);
        log_add_text(&line, "a", name);
        log_add_text(&line, "b", name);
        assert_true(log_repeat_is_first(&line));
    }
}

static void test_without_memory(void **state)
{
    struct table *before = table;

    (void)state;
    table = NULL;
    assert_true(write_line(EVENT_SESSION, "a"));
    assert_true(write_line(EVENT_SESSION, "a"));
    log_repeat_tell();
    assert_int_equal(count_of("event=repeated"), 0);
    table = before;
}

static void test_processes(void **state)
{
    enum { PROCESSES = 4, LINES = 20000, TELLS = 50 };
    static const char *const kinds[] = {"a", "b", "c"};

    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        for (int j = 0; j < LINES; j++)
            (void)write_line(EVENT_SESSION, kinds[j % 3]);
        _exit(0);
    }
    for (int left = PROCESSES; left > 0;) {
        log_repeat_tell();
        left -= waitpid(-1, NULL, WNOHANG) > 0;
    }
    log_repeat_tell();
    assert_int_equal(count_of("event=session") + sum_of("a") + sum_of("b") + sum_of("c"),
                     PROCESSES * LINES);
}

/* A broken worker has written what it likes: nothing is forged, nothing goes beyond the table. */
static void test_any_words(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(*table) / sizeof(unsigned); i++)
            ((unsigned *)(void *)table)[i] = seed = seed * 1664525 + 1013904223;
        (void)write_line(EVENT_SESSION, "a");
        log_repeat_tell();
    }
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        atomic_store(&table->entries[i].owner, COUNT_MAX);
        seqlock_begin_write(&table->entries[i].lock);
        if (atomic_load(&table->entries[i].lock.count) % 2 != 0)
            seqlock_end_write(&table->entries[i].lock);
        memset(table->entries[i].kind.text, '\n', TEXT_BYTES);
        memcpy(table->entries[i].kind.text, "event=repeated", strlen("event=repeated"));
    }
    log_repeat_tell();
    for (const char *at = read_log(); *at != '\0'; at++)
        assert_true(*at != '\n' || at[1] == '\0' || (at[1] >= '0' && at[1] <= '9'));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_flood),        TEST(test_end_of_flood),   TEST(test_timer),
        TEST(test_message),      TEST(test_without_room),   TEST(test_without_memory),
        TEST(test_processes),    TEST(test_any_words),
        TEST(test_timer_that_was_not_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
