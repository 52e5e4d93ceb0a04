/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What exists at the path of a UNIX socket.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/unix_socket.h"

static char directory[] = "/tmp/test_unix_socket.XXXXXX";
static char path[64], link_path[64];
static struct address address, link_address;

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/socket", directory);
    snprintf(link_path, sizeof(link_path), "%s/link", directory);
    return address_parse_listen(&address, path) | address_parse_listen(&link_address, link_path);
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int bound_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_int_equal(bind(fd, &address.sa, address.length), 0);
    return fd;
}

static void test_served(void **state)
{
    int fd = bound_socket();

    (void)state;
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(unix_socket_check(&address), UNIX_SOCKET_SERVED);
    /* The queue of length 0 is full now, and the check does not wait for it. */
    assert_int_equal(unix_socket_check(&address), UNIX_SOCKET_SERVED);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(unix_socket_check(&link_address), UNIX_SOCKET_NOT_ONE);
    unlink(link_path);
    close(fd);
    assert_int_equal(unix_socket_check(&address), UNIX_SOCKET_STALE);
    unlink(path);
    assert_int_equal(unix_socket_check(&address), UNIX_SOCKET_FREE);
}

static void test_others(void **state)
{
    struct address below;
    char text[96];

    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(unix_socket_check(&address), UNIX_SOCKET_NOT_ONE);
    rmdir(path);
    fclose(fopen(path, "w"));
    assert_int_equal(unix_socket_check(&address), UNIX_SOCKET_NOT_ONE);
    snprintf(text, sizeof(text), "%s/below", path);
    assert_int_equal(address_parse_listen(&below, text), 0);
    assert_int_equal(unix_socket_check(&below), UNIX_SOCKET_UNKNOWN);
    assert_int_equal(errno, ENOTDIR);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_served),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests_name("unix_socket", tests, setup, teardown);
}
