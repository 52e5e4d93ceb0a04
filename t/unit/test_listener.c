/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a reload changes of a listening socket, and so of the connections it accepts.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pool/listener.h"

static int option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &value, &size), 0);
    return value;
}

#ifdef SO_BUF_LOCK
static bool can_forget(int fd)
{
    int value;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &value, &size) == 0;
}
#endif

/* With 0 the kernel sizes the buffers itself, as if they had never been bounded. */
static void test_send_buffer(void **state)
{
    struct listener listener = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct conf_instance instance = {
        .section.values = {.backlog = 8, .socket_buffer = 100000}};
    int kernels = option(listener.fd, SO_SNDBUF);

    (void)state;
    assert_int_equal(address_parse_listen(&listener.address, "127.0.0.1:0"), 0);
    assert_int_equal(bind(listener.fd, &listener.address.sa, listener.address.length), 0);
    listener_settle(&listener, &instance);
    assert_int_equal(option(listener.fd, SO_SNDBUF), 200000);
#ifdef SO_BUF_LOCK
    instance.section.values.socket_buffer = 0;
    listener_settle(&listener, &instance);
    if (can_forget(listener.fd)) {
        assert_int_equal(option(listener.fd, SO_SNDBUF), kernels);
        assert_int_equal(option(listener.fd, SO_BUF_LOCK), 0);
    }
#else
    (void)kernels;
#endif
    close(listener.fd);
}

/* Another process that has the socket makes it block again, before it is accepted from. */
static bool is_tampered_with;

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, int flags);

int __wrap_fcntl(int fd, int command, int flags)
{
    if (command == F_SETFL && is_tampered_with)
        flags &= ~O_NONBLOCK;
    return __real_fcntl(fd, command, flags);
}

static int connect_to(int listening_fd)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct address address;

    assert_true(address_of_own_end(listening_fd, &address));
    assert_int_equal(connect(fd, &address.sa, address.length), 0);
    return fd;
}

static void test_accept_now(void **state)
{
    struct listener listener = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct address client;

    (void)state;
    alarm(60); /* a call that sleeps for ever */
    assert_int_equal(listen(listener.fd, 8), 0);
    for (int i = 0; i < 2; i++) {
        int far_fd, fd;

        is_tampered_with = i == 1;
        assert_int_equal(listener_accept_now(&listener, true, &client), -1);
        assert_int_equal(errno, is_tampered_with ? EINTR : EAGAIN);
        far_fd = connect_to(listener.fd);
        fd = listener_accept_now(&listener, true, &client);
        assert_true(fd != -1);
        assert_true((__real_fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        assert_true((__real_fcntl(listener.fd, F_GETFL) & O_NONBLOCK) == 0);
        close(fd);
        close(far_fd);
    }
    close(listener.fd);
}

static int internet_option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    assert_int_equal(getsockopt(fd, IPPROTO_IP, name, &value, &size), 0);
    return value;
}

static void set(int fd, int level, int name, int value)
{
    assert_int_equal(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

/* What shuts clients out is taken back; what was set before stays. */
static void test_mend_options(void **state)
{
    struct listener listener = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    const struct conf_values values = {.backlog = 8};
    const struct timeval short_time = {.tv_usec = 1};
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog filter = {.len = 1, .filter = &drop};
    int fd = listener.fd;
    struct timeval limit;
    socklen_t size = sizeof(limit);
    int hops;

    (void)state;
    assert_int_equal(listen(fd, 8), 0);
    hops = internet_option(fd, IP_TTL);
    set(fd, IPPROTO_IP, IP_MINTTL, 2);
    listener_note_options(&listener);
    set(fd, IPPROTO_IP, IP_MINTTL, 255);
    set(fd, IPPROTO_IP, IP_TTL, 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof(short_time)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), 0);
    listener_mend(&listener, &values, false);
    assert_int_equal(internet_option(fd, IP_MINTTL), 2);
    assert_int_equal(internet_option(fd, IP_TTL), hops);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size), 0);
    assert_true(limit.tv_sec == 0 && limit.tv_usec == 0);
    close(connect_to(fd));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_buffer),
        cmocka_unit_test(test_accept_now),
        cmocka_unit_test(test_mend_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
