/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a reload changes of a listening socket, and so of the connections it accepts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
