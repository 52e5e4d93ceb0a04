/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: only printable octets, on lines of bounded length, and a writer that neither blocks nor
 * forgets how many lines it lost.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

/* What the manual promises; log.h has names for these. */
enum { LINE_BYTES = 2048, VALUE_BYTES = 320 };

static char directory[] = "/tmp/test_log.XXXXXX";
static char path[64];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static struct timespec wall; /* all zero: the clock is right */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME || wall.tv_sec == 0)
        return __real_clock_gettime(clock, now);
    *now = wall;
    return 0;
}

static void log_number(int number)
{
    struct log_line line;

    log_begin(&line, EVENT_LOGIN);
    log_add_number(&line, "number", number);
    log_end(&line);
}

static size_t read_log(char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, text, size - 1);

    close(fd);
    assert_true(length >= 0);
    text[length] = '\0';
    return (size_t)length;
}

/* ---- lines ---- */

static void check_line(const struct log_line *line, const char *text)
{
    assert_int_equal(line->length, strlen(text));
    assert_memory_equal(line->text, text, line->length);
}

static void test_values(void **state)
{
    struct log_line line;

    (void)state;
    log_begin(&line, EVENT_LOGIN);
    log_add(&line, "a", "plain");
    log_add(&line, "b", "");
    log_add(&line, "c", NULL);
    log_add(&line, "d", "x y\"\\\r\n\x1b\x7f\xe4");
    log_add_number(&line, "f", INT64_MIN);
    log_add_duration(&line, "g", 12045);
    log_add_text(&line, "h", "x y\"\nevent=forged");
    check_line(&line, "event=login a=plain b=- c=- d=x\\x20y\\x22\\x5c\\x0d\\x0a\\x1b\\x7f\\xe4 "
                      "f=-9223372036854775808 g=12.045 h=\"x y\\x22\\x0aevent=forged\"");
}

static void test_bounds(void **state)
{
    static char value[5000];
    struct log_line line;

    (void)state;
    memset(value, '\n', sizeof(value) - 1);
    log_begin(&line, EVENT_LOGIN);
    log_add(&line, "a", value);
    assert_true(line.length <= 6 + 5 + 3 + VALUE_BYTES + 3);
    assert_memory_equal(line.text + line.length - 7, "\\x0a...", 7);
    for (int i = 0; i < 20; i++)
        log_add(&line, "b", value);
    assert_int_equal(line.length, LINE_BYTES);
    log_add(&line, "c", "more");
    assert_int_equal(line.length, LINE_BYTES);
}

/* The limit is that of the written text, plain or escaped. */
static void test_value_limit(void **state)
{
    static char value[VALUE_BYTES + 2];
    struct log_line line;

    (void)state;
    memset(value, 'x', VALUE_BYTES);
    log_begin(&line, EVENT_TLS);
    log_add(&line, "a", value);
    assert_int_equal(line.length, 9 + 3 + VALUE_BYTES);
    assert_memory_equal(line.text + line.length - 2, "xx", 2);

    value[VALUE_BYTES] = 'x';
    log_begin(&line, EVENT_TLS);
    log_add(&line, "a", value);
    assert_int_equal(line.length, 9 + 3 + VALUE_BYTES + 3);
    assert_memory_equal(line.text + line.length - 5, "xx...", 5);

    value[VALUE_BYTES - 3] = '\n';
    log_begin(&line, EVENT_TLS);
    log_add(&line, "a", value);
    assert_int_equal(line.length, 9 + 3 + VALUE_BYTES);
    assert_memory_equal(line.text + line.length - 5, "xx...", 5);
}

static void test_long_line_in_file(void **state)
{
    static char value[500], text[4096];
    struct error error;
    struct log_line line;

    (void)state;
    memset(value, 'x', sizeof(value) - 1);
    assert_int_equal(log_open(path, &error), 0);
    log_begin(&line, EVENT_LOGIN);
    for (int i = 0; i < 10; i++)
        log_add(&line, "key", value);
    log_end(&line);
    read_log(text, sizeof(text));
    assert_true(strlen(text) < LINE_BYTES + 128);
    assert_string_equal(text + strlen(text) - 4, "...\n");
    unlink(path);
}

/* ---- targets ---- */

static void test_open_failures(void **state)
{
    static char long_path[1000];
    struct error error = {""};

    (void)state;
    assert_int_equal(log_open("/nonexistent/log", &error), -1);
    assert_non_null(strstr(error.text, "/nonexistent/log"));
    memset(long_path, 'x', sizeof(long_path) - 1);
    assert_int_equal(log_open(long_path, &error), -1);
}

/* The disk is full: half a line must not become the beginning of the next one. */
static void test_torn_line(void **state)
{
    struct rlimit before, limit;
    struct error error;
    char text[4096];
    const char *newline;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(log_open(path, &error), 0);
    limit = (struct rlimit){.rlim_cur = 20, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    log_number(1);
    log_number(2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_number(3);
    read_log(text, sizeof(text));
    newline = strchr(text, '\n');
    assert_int_equal(newline - text, 20);
    assert_non_null(strstr(newline, "event=log-lines-lost count=2\n"));
    assert_non_null(strstr(newline, "event=login number=3\n"));
    assert_null(strstr(text, "number=2"));
    unlink(path);
}

/* Another process that shares the file may be the next to write, and another master may have torn
 * the last line of a file. */
static void test_line_torn_by_another(void **state)
{
    struct rlimit before, limit;
    struct error error;
    char text[4096];
    int status;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(log_open(path, &error), 0);
    if (fork() == 0) {
        limit = (struct rlimit){.rlim_cur = 20, .rlim_max = before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
        log_number(1);
        _exit(0);
    }
    assert_true(wait(&status) > 0);
    log_number(2);
    log_number(3);
    read_log(text, sizeof(text));
    assert_int_equal(strchr(text, '\n') - text, 20);
    assert_non_null(strstr(text, "number=2\n2")); /* the second year after the first line end */

    assert_int_equal(truncate(path, (off_t)strlen(text) - 1), 0);
    assert_int_equal(log_open(path, &error), 0);
    log_number(4);
    read_log(text, sizeof(text));
    assert_non_null(strstr(text, "number=3\n2"));
    assert_non_null(strstr(text, "number=4\n"));
    unlink(path);
}

static void test_time_and_severity(void **state)
{
    static const char expected[] = "2001-02-03T04:05:06.789-03:30 warning pop3.proxy[";
    struct error error;
    char text[4096];

    (void)state;
    setenv("TZ", "XYZ3:30", 1);
    wall = (struct timespec){.tv_sec = 981185706, .tv_nsec = 789999999};
    assert_int_equal(log_open(path, &error), 0);
    log_message(EVENT_RESOLVE_FAILED, "x");
    wall.tv_nsec = 1000000;
    log_message(EVENT_STOPPED, "x");
    setenv("TZ", "UTC", 1);
    assert_int_equal(log_reopen(&error), 0);
    wall.tv_sec++;
    log_message(EVENT_LOGIN, "x");
    wall.tv_sec = 0;
    unsetenv("TZ");
    read_log(text, sizeof(text));
    assert_memory_equal(text, expected, sizeof(expected) - 1);
    assert_non_null(strstr(text, "\n2001-02-03T04:05:06.001-03:30 notice pop3.proxy["));
    assert_non_null(strstr(text, "\n2001-02-03T07:35:07.001+00:00 info pop3.proxy["));
    unlink(path);
}

/* A worker that was taken over can take O_NONBLOCK away. */
static void test_pipe_that_may_block(void **state)
{
    static char rest[1024 * 1024];
    int saved = dup(STDERR_FILENO);
    _Atomic uint64_t lost = 0;
    struct error error;
    int pair[2];

    (void)state;
    alarm(60); /* a write that sleeps for ever */
    assert_int_equal(pipe(pair), 0);
    dup2(pair[1], STDERR_FILENO);
    assert_int_equal(log_open("stderr", &error), 0);
    log_guard();
    log_count_lost_in(&lost);
    for (int fd = 3; fd < 64; fd++)
        if (fcntl(fd, F_GETFL) != -1)
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    for (int i = 0; i < 3000; i++)
        log_number(i);
    assert_true(lost > 0 && lost < 3000);
    assert_true(read(pair[0], rest, sizeof(rest)) > 0);
    log_count_lost_in(NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pair[0]);
    close(pair[1]);
    alarm(0);
}

static void test_blocked_pipe(void **state)
{
    static char rest[1024 * 1024];
    int saved = dup(STDERR_FILENO);
    _Atomic uint64_t lost = 0;
    struct error error;
    int64_t began_ms;
    int pair[2];

    (void)state;
    assert_int_equal(pipe(pair), 0);
    dup2(pair[1], STDERR_FILENO);
    assert_int_equal(log_open("stderr", &error), 0);
    log_count_lost_in(&lost);
    began_ms = clock_now_ms();
    for (int i = 0; i < 3000; i++)
        log_number(i);
    assert_true(clock_now_ms() - began_ms < 1000);
    assert_true(lost > 0 && lost < 3000);
    assert_true(read(pair[0], rest, sizeof(rest)) > 0);
    log_number(4000);
    log_count_lost_in(NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pair[1]);
    ssize_t length = read(pair[0], rest, sizeof(rest) - 1);
    close(pair[0]);
    assert_true(length > 0);
    rest[length] = '\0';
    char expected[64];
    snprintf(expected, sizeof(expected), "event=log-lines-lost count=%d\n", (int)lost);
    assert_non_null(strstr(rest, expected));
    assert_non_null(strstr(rest, "number=4000\n"));
    assert_int_equal(log_open(path, &error), 0);
    unlink(path);
}

static int bind_daemon(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, path, strlen(path));
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* A stuck daemon costs one short wait, not one for each line; a missing one costs nothing. */
static void test_full_socket(void **state)
{
    _Atomic uint64_t lost = 0;
    struct error error;
    char text[2048];
    int daemon;
    int64_t began_ms;

    (void)state;
    setenv("POP3_PROXY_SYSLOG", path, 1);
    assert_int_equal(log_open("syslog", &error), 0); /* no daemon yet: no error */
    log_count_lost_in(&lost);
    log_number(0);
    assert_int_equal(lost, 1);
    daemon = bind_daemon();
    assert_int_equal(log_reopen(&error), 0);
    began_ms = clock_now_ms();
    for (int i = 0; i < 3000; i++)
        log_number(i);
    assert_true(clock_now_ms() - began_ms < 500);
    assert_true(lost > 1000);
    assert_true(recv(daemon, text, sizeof(text), 0) > 0); /* the line that reports the first loss */
    assert_memory_equal(text, "<20>", 4);
    assert_non_null(memmem(text, 200, "event=log-lines-lost count=1", 28));
    while (recv(daemon, text, sizeof(text), 0) > 0)
        continue;
    log_number(4000);
    memset(text, 0, sizeof(text));
    assert_true(recv(daemon, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, "event=log-lines-lost count="));
    close(daemon);
    log_count_lost_in(NULL);
    assert_int_equal(log_open("/dev/null", &error), 0);
}

/* Standard error takes the lines until the daemon listens, and none after that. */
static void test_stand_in(void **state)
{
    int saved = dup(STDERR_FILENO);
    char written[4096] = "", sent[4096] = "";
    bool is_used, was_heard;
    struct error error, missing;
    int pair[2];
    int daemon;

    (void)state;
    unlink(path);
    assert_int_equal(pipe(pair), 0);
    setenv("POP3_PROXY_SYSLOG", path, 1);
    assert_int_equal(log_open("syslog", &error), 0);
    was_heard = log_is_heard();
    assert_int_equal(log_find_daemon(&missing), -1);
    dup2(pair[1], STDERR_FILENO); /* no assertion until it is restored */
    is_used = log_use_stderr();
    log_number(1);
    (void)log_reopen(&error);
    log_number(2);
    daemon = bind_daemon();
    do
        log_number(3);
    while (recv(daemon, sent, sizeof(sent) - 1, 0) == -1);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pair[1]);
    assert_true(read(pair[0], written, sizeof(written) - 1) > 0);
    close(pair[0]);
    assert_false(was_heard);
    assert_non_null(strstr(missing.text, path));
    assert_true(is_used);
    assert_non_null(strstr(written, "number=1\n"));
    assert_non_null(strstr(written, "number=2\n"));
    assert_int_equal(written[0], '2'); /* as in a file: the year */
    assert_int_equal(sent[0], '<');
    assert_int_equal(log_find_daemon(&error), 0);
    close(daemon);
    assert_int_equal(log_open("/dev/null", &error), 0);
}

/* There is nothing at the other end of /dev/null, and nothing of a closed descriptor. */
static void test_no_stand_in(void **state)
{
    int saved = dup(STDERR_FILENO);
    int null = open("/dev/null", O_WRONLY);
    bool is_used[2];

    (void)state;
    dup2(null, STDERR_FILENO);
    is_used[0] = log_use_stderr();
    close(STDERR_FILENO);
    is_used[1] = log_use_stderr();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    assert_false(is_used[0]);
    assert_false(is_used[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_value_limit),   cmocka_unit_test(test_long_line_in_file),
        cmocka_unit_test(test_open_failures), cmocka_unit_test(test_torn_line),
        cmocka_unit_test(test_line_torn_by_another),
        cmocka_unit_test(test_time_and_severity),
        cmocka_unit_test(test_pipe_that_may_block),
        cmocka_unit_test(test_blocked_pipe),  cmocka_unit_test(test_full_socket),
        cmocka_unit_test(test_stand_in),      cmocka_unit_test(test_no_stand_in),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
