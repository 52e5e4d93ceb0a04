/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that starts programs is in no sandbox. Whatever a broken helper sends to it, it closes
 * the descriptors that it does not want, runs no more programs than it may, and goes on.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper/acp_starter.h"
#include "passing.h"

enum { HANG_MS = 60000, VALUES = 12 };

static const struct acp_setting setting = {.program = "/bin/true", .prefix = "P_"};
static int starter_fd;

static int start(void **state)
{
    (void)state;
    starter_fd = acp_starter_fork(&setting, getuid(), getgid());
    return starter_fd == -1 ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    close(starter_fd);
    return wait(NULL) == -1 ? -1 : 0;
}

static void await_input(int fd)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&item, 1, HANG_MS), 1);
}

static void write_request(struct message *request, char *memory, size_t size)
{
    message_begin(request, memory, size, MESSAGE_ACCESS);
    for (int i = 0; i < VALUES; i++)
        message_put(request, "value");
    assert_false(request->is_bad);
}

static void close_channels(const struct acp_channels *channels)
{
    close(channels->control);
    close(channels->out);
    close(channels->err);
}

static void check_works(void)
{
    char memory[1024];
    struct message request, fields;
    struct acp_channels channels;
    struct acp_end end;

    write_request(&request, memory, sizeof(memory));
    message_open(&fields, memory, request.length);
    assert_int_equal(acp_starter_ask(starter_fd, &fields, &channels), 0);
    await_input(channels.control);
    assert_int_equal(recv(channels.control, &end, sizeof(end), 0), sizeof(end));
    assert_int_equal(end.kind, ACP_END_STATUS);
    assert_int_equal(end.number, 0);
    close_channels(&channels);
}

/* The starter has all the writing ends of a pipe. The reading end is at its end once they are
 * closed. */
static void check_descriptors_closed(const char *data, size_t length, size_t count)
{
    int ends[2];
    char octet;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pass_descriptors(starter_fd, data, length, ends[1], count), length);
    close(ends[1]);
    await_input(ends[0]);
    assert_int_equal(read(ends[0], &octet, 1), 0);
    close(ends[0]);
    check_works();
}

static void test_any_count(void **state)
{
    char memory[1024];
    struct message request;

    (void)state;
    write_request(&request, memory, sizeof(memory));
    for (size_t count = 0; count <= 8; count++)
        check_descriptors_closed(memory, request.length, count);
    check_descriptors_closed(memory, request.length, PASSED_MOST);
}

static void test_nonsense(void **state)
{
    static const char no_end[] = {MESSAGE_ACCESS, 'n', 'n', 'n', 'n', 'x'};
    static const char too_few[] = {MESSAGE_ACCESS, 'n', 'n', 'n', 'n', 'x', '\0'};
    static const char other_kind[] = {MESSAGE_ROUTE, 'n', 'n', 'n', 'n', 'x', '\0'};
    static char endless[MESSAGE_BYTES] = {MESSAGE_ACCESS};

    (void)state;
    for (size_t count = 0; count <= 4; count++) {
        check_descriptors_closed("x", 1, count);
        check_descriptors_closed(no_end, sizeof(no_end), count);
        check_descriptors_closed(too_few, sizeof(too_few), count);
        check_descriptors_closed(other_kind, sizeof(other_kind), count);
        check_descriptors_closed(endless, sizeof(endless), count);
    }
}

/* ---- the limit: this program is the one that is started, and then waits ---- */

static const struct acp_setting waiting = {.program = "/proc/self/exe", .prefix = "WAITING_"};

static int start_waiting(void **state)
{
    struct rlimit limit;

    (void)state;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return -1;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* of the starter, too */
    starter_fd = acp_starter_fork(&waiting, getuid(), getgid());
    return starter_fd == -1 ? -1 : 0;
}

/* Returns the program's socket. */
static int ask(void)
{
    struct pollfd room = {.fd = starter_fd, .events = POLLOUT};
    struct acp_channels channels;
    struct message request, fields;
    char memory[1024];

    write_request(&request, memory, sizeof(memory));
    message_open(&fields, memory, request.length);
    while (acp_starter_ask(starter_fd, &fields, &channels) == -1) {
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(poll(&room, 1, HANG_MS), 1);
    }
    close(channels.out);
    close(channels.err);
    return channels.control;
}

static struct acp_end end_of(int control)
{
    struct acp_end end = {0};

    await_input(control);
    assert_int_equal(recv(control, &end, sizeof(end), 0), sizeof(end));
    return end;
}

/* The starter closes the socket after the program has ended. The octet that asked for that is unread
 * then, so the kernel may report a reset instead of the last messages. */
static void end_program(int control)
{
    const struct acp_channels channels = {.control = control};
    struct acp_end end;
    ssize_t got;

    acp_starter_kill(&channels);
    do {
        await_input(control);
        got = recv(control, &end, sizeof(end), 0);
    } while (got == sizeof(end));
    assert_true(got == 0 || errno == ECONNRESET);
    close(control);
}

static void check_refused(void)
{
    int control = ask();
    struct acp_end end = end_of(control);

    assert_int_equal(end.kind, ACP_END_NOT_RUN);
    assert_int_equal(end.number, EAGAIN);
    close(control);
}

static void test_limit(void **state)
{
    int controls[ACP_PROGRAMS_MAX];

    (void)state;
    for (size_t i = 0; i < ACP_PROGRAMS_MAX; i++)
        controls[i] = ask();
    check_refused();
    end_program(controls[0]);
    controls[0] = ask();
    check_refused();
    for (size_t i = 0; i < ACP_PROGRAMS_MAX; i++)
        end_program(controls[i]);
    end_program(ask());
}

int main(void)
{
    if (getenv("WAITING_USERNAME") != NULL)
        for (;;)
            pause();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_count, start, stop),
        cmocka_unit_test_setup_teardown(test_nonsense, start, stop),
        cmocka_unit_test_setup_teardown(test_limit, start_waiting, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
