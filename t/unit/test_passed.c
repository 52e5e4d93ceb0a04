/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors from a process that may be broken: only the number that is wanted is taken, and
 * closing the others does not block.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "passing.h"

enum { HANG_S = 60 };

static int pair[2];

static int open_pair(void **state)
{
    (void)state;
    alarm(HANG_S); /* a close() that blocks ends the test */
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
}

static int close_pair(void **state)
{
    (void)state;
    alarm(0);
    return close(pair[0]) | close(pair[1]);
}

static void pass(int fd, size_t count)
{
    assert_int_equal(pass_descriptors(pair[0], "x", 1, fd, count), 1);
}

static bool receive(int *fds, size_t wanted, size_t room_bytes)
{
    union passed_room room;
    char octet;
    struct iovec piece = {.iov_base = &octet, .iov_len = 1};
    struct msghdr header = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = room_bytes};

    assert_int_equal(recvmsg(pair[1], &header, MSG_CMSG_CLOEXEC), 1);
    return passed_take(&header, fds, wanted);
}

static void test_counts(void **state)
{
    int before = count_descriptors();
    int fds[3];

    (void)state;
    for (size_t count = 0; count <= 8; count++) {
        pass(pair[0], count);
        assert_int_equal(receive(fds, 3, sizeof(union passed_room)), count == 3);
        if (count == 3)
            for (int i = 0; i < 3; i++)
                assert_int_equal(close(fds[i]), 0);
        assert_int_equal(count_descriptors(), before);
    }
    pass(pair[0], PASSED_MOST);
    assert_false(receive(fds, 3, sizeof(union passed_room)));
    assert_int_equal(count_descriptors(), before);
}

static void test_truncated(void **state)
{
    int before = count_descriptors();
    int fds[2];

    (void)state;
    if (getenv("POP3_TEST_EMULATED") != NULL)
        skip(); /* qemu-user does not tell that descriptors were left out */
    pass(pair[0], 5);
    assert_false(receive(fds, 2, CMSG_SPACE(2 * sizeof(int))));
    assert_int_equal(count_descriptors(), before);
}

static void test_lingering(void **state)
{
    int reader;
    int fd = open_lingering(&reader);
    int fds[1];

    (void)state;
    passed_close(fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    close(reader);
    for (size_t count = 2; count <= 4; count++) {
        fd = open_lingering(&reader);
        pass(fd, count);
        close(fd); /* the message still holds it */
        assert_false(receive(fds, 1, sizeof(union passed_room)));
        close(reader);
    }
    passed_close(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_truncated, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_lingering, open_pair, close_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
