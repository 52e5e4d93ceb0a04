/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages to the helper: the reader trusts nothing, and accepts no descriptor but the one that it
 * expects.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "helper/message.h"
#include "passing.h"

static void test_there_and_back(void **state)
{
    char memory[128];
    struct message message;

    (void)state;
    message_begin(&message, memory, sizeof(memory), MESSAGE_RECORD_CLIENT);
    message_put(&message, "one");
    message_put(&message, NULL);
    message_put_number(&message, -42);
    message_set_number(&message, 4711);
    assert_false(message.is_bad);
    assert_int_equal(message_open(&message, memory, message.length), MESSAGE_RECORD_CLIENT);
    assert_int_equal(message.number, 4711);
    assert_string_equal(message_get(&message), "one");
    assert_string_equal(message_get(&message), "");
    assert_false(message_is_done(&message));
    assert_int_equal(message_get_number(&message), -42);
    assert_true(message_is_done(&message));
    assert_string_equal(message_get(&message), ""); /* one too many */
    assert_false(message_is_done(&message));
}

static void test_overflow(void **state)
{
    char memory[MESSAGE_HEAD_BYTES + 7];
    struct message message;

    (void)state;
    message_begin(&message, memory, sizeof(memory), MESSAGE_RESOLVE);
    message_put(&message, "123456");
    assert_false(message.is_bad);
    assert_int_equal(message.length, sizeof(memory));
    message_put(&message, "");
    assert_true(message.is_bad);
    assert_int_equal(message.length, sizeof(memory));
}

static void check_bad(char *data, size_t length, int is_number)
{
    struct message message;

    assert_int_equal(message_open(&message, data, length), MESSAGE_RESOLVE);
    if (is_number)
        (void)message_get_number(&message);
    else
        (void)message_get(&message);
    assert_false(message_is_done(&message));
}

static void test_malformed(void **state)
{
#define HEAD "\1nnnn"
    char no_end[] = HEAD "host", two[] = HEAD "a\0b", empty[] = HEAD, letters[] = HEAD "12x",
         nothing[] = HEAD, huge[] = HEAD "99999999999999999999";
    struct message message;

    (void)state;
    check_bad(no_end, 9, 0);
    check_bad(two, 9, 0);
    check_bad(empty, 5, 0);
    check_bad(letters, sizeof(letters), 1);
    check_bad(nothing, sizeof(nothing), 1);
    check_bad(huge, sizeof(huge), 1);
    assert_int_equal(message_open(&message, empty, 0), 0);
    assert_false(message_is_done(&message));
    assert_int_equal(message_open(&message, empty, 4), 0);
    assert_false(message_is_done(&message));
}

/* ---- over a socket ---- */

static int receive(int fd, enum io_status *status_r)
{
    char data[64];
    size_t length = 0;
    int passed = -2;
    pid_t sender;

    *status_r = message_receive(fd, data, sizeof(data), CLOCK_PASSED, &length, &passed, &sender);
    return passed;
}

static void test_descriptor(void **state)
{
    int pair[2];
    enum io_status status;
    int passed;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    receive(pair[1], &status);
    assert_int_equal(status, IO_DEADLINE);
    assert_int_equal(message_send(pair[0], "\1x", 3, -1, CLOCK_PASSED), IO_OK);
    assert_int_equal(receive(pair[1], &status), -1);
    assert_int_equal(status, IO_OK);
    assert_int_equal(message_send(pair[0], "\1x", 3, pair[0], CLOCK_PASSED), IO_OK);
    passed = receive(pair[1], &status);
    assert_int_equal(status, IO_OK);
    assert_true(passed >= 0);
    assert_true((fcntl(passed, F_GETFD) & FD_CLOEXEC) != 0);
    close(passed);
    close(pair[0]);
    receive(pair[1], &status);
    assert_int_equal(status, IO_EOF);
    assert_int_equal(message_send(pair[1], "\1x", 3, -1, CLOCK_PASSED), IO_EOF);
    close(pair[1]);
}

static void test_sender(void **state)
{
    char data[8];
    size_t length;
    int pair[2];
    int on = 1;
    int passed;
    pid_t sender;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(message_send(pair[0], "x", 1, pair[0], CLOCK_PASSED), IO_OK);
    assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    assert_int_equal(message_send(pair[0], "y", 1, pair[0], CLOCK_PASSED), IO_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(message_receive(pair[1], data, sizeof(data), CLOCK_PASSED, &length,
                                         &passed, &sender),
                         IO_OK);
        assert_true(passed >= 0);
        close(passed);
        assert_int_equal(sender, i == 0 ? 0 : getpid());
    }
    close(pair[0]);
    close(pair[1]);
}

/* A message without an octet is not the end of the connection. Where the kernel names the sender, the
 * two can be told apart. */
static void test_empty(void **state)
{
    char data[8];
    size_t length = 1;
    int pair[2];
    int on = 1;
    int passed;
    pid_t sender;
    int before;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    before = count_descriptors();
    for (size_t count = 0; count <= 2; count += 2) {
        assert_int_equal(pass_descriptors(pair[0], "", 0, pair[0], count), 0);
        assert_int_equal(message_receive(pair[1], data, sizeof(data), CLOCK_PASSED, &length,
                                         &passed, &sender),
                         IO_OK);
        assert_int_equal(length, 0);
        assert_int_equal(passed, -1);
        assert_int_equal(count_descriptors(), before);
    }
    close(pair[0]);
    assert_int_equal(
        message_receive(pair[1], data, sizeof(data), CLOCK_PASSED, &length, &passed, &sender),
        IO_EOF);
    close(pair[1]);
}

/* A broken worker tries to fill the helper's table. */
static void test_many_descriptors(void **state)
{
    int pair[2];
    enum io_status status;
    int before;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    before = count_descriptors();
    for (int count = 2; count <= 8; count++) {
        assert_int_equal(pass_descriptors(pair[0], "\1", 1, pair[0], (size_t)count), 1);
        assert_int_equal(receive(pair[1], &status), -1);
        assert_int_equal(status, IO_OK);
        assert_int_equal(count_descriptors(), before);
    }
    close(pair[0]);
    close(pair[1]);
}

/* A broken worker passes something else than an end of a pair, to stop the helper. */
static void test_wrong_descriptors(void **state)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    int pair[2];
    int reader;
    int fd = open_lingering(&reader);
    enum io_status status;

    (void)state;
    alarm(60); /* a close() that blocks ends the test */
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(message_send(pair[0], "\1x", 3, fd, CLOCK_PASSED), IO_OK);
    close(fd); /* the message still holds it */
    assert_int_equal(receive(pair[1], &status), -1);
    assert_int_equal(status, IO_OK);
    for (size_t i = 0; i < 2; i++) {
        fd = socket(AF_UNIX, types[i], 0);
        assert_int_equal(message_send(pair[0], "\1x", 3, fd, CLOCK_PASSED), IO_OK);
        assert_int_equal(receive(pair[1], &status), -1);
        close(fd);
    }
    alarm(0);
    close(reader);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),   cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_malformed),        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_sender),           cmocka_unit_test(test_empty),
        cmocka_unit_test(test_many_descriptors), cmocka_unit_test(test_wrong_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
