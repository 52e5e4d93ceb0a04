/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connecting to a name with many addresses, over loopback: which addresses are tried, how long, and
 * how many sockets that takes. The wait is replaced: it counts the sockets, and does not sleep for
 * an address that never answers.
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
#include "io/dial.h"
#include "io/wait.h"

enum { HOLES = 8, LIMIT_MS = 60000, NEVER = -1 };

/* ---- the wait ---- */

static struct {
    int64_t deadline_ms; /* of the whole dial */
    int count;
    int most_at_once;
    int64_t first_ms, last_ms; /* the length of the first wait, and of the last one */
    int stop_at;               /* the number of the wait that is told to stop */
    int open_at;               /* the number of the wait before which `hole` begins to answer, */
    int hole;                  /* a listening socket */
    int patient_at;            /* the number of the wait that sleeps until something comes */
} waits;

static void answer(void)
{
    int fd = accept(waits.hole, NULL, NULL);

    assert_true(fd >= 0);
    close(fd);
}

static enum io_status count_wait(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    int at_once = 0;
    int ready;

    for (unsigned i = 0; i < count; i++)
        at_once += fds[i].fd != -1;
    if (at_once > waits.most_at_once)
        waits.most_at_once = at_once;
    waits.last_ms = deadline_ms - clock_now_ms();
    if (waits.count++ == 0)
        waits.first_ms = waits.last_ms;
    if (waits.count == waits.stop_at)
        return IO_STOPPED;
    if (waits.count == waits.open_at)
        answer();
    /* A connection within this machine is made, or refused, before connect() returns. */
    ready = poll(fds, count, waits.count == waits.patient_at ? LIMIT_MS : 0);
    assert_true(ready >= 0);
    return ready > 0 ? IO_OK : IO_DEADLINE;
}

static void ignore_note(int fd, short event, bool is_exhausted)
{
    (void)fd;
    (void)event;
    (void)is_exhausted;
}

static void ignore(void)
{
}

static void ignore_close(int fd)
{
    (void)fd;
}

static const struct wait_backend backend = {.wait = count_wait,
                                            .note = ignore_note,
                                            .pause = ignore,
                                            .forget = ignore_close,
                                            .clear_stop = ignore};

static int begin(void **state)
{
    (void)state;
    memset(&waits, 0, sizeof(waits));
    waits.stop_at = waits.open_at = waits.patient_at = NEVER;
    waits.deadline_ms = clock_after_ms(LIMIT_MS);
    wait_use(&backend);
    return 0;
}

/* ---- servers ---- */

static int bind_any(struct address *address_r)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(address_from_literal(address_r, "127.0.0.1", 0), 0);
    assert_int_equal(bind(fd, &address_r->sa, address_r->length), 0);
    assert_true(address_of_own_end(fd, address_r));
    return fd;
}

static int open_server(struct address *address_r)
{
    int fd = bind_any(address_r);

    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* A listening socket whose queue is full: it answers nobody, until somebody is accepted. *fd_r is
 * the client in the queue. */
static int open_hole(struct address *address_r, int *fd_r)
{
    int fd = bind_any(address_r);

    assert_int_equal(listen(fd, 0), 0);
    *fd_r = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(*fd_r, &address_r->sa, address_r->length), 0);
    return fd;
}

static struct {
    int listening[HOLES];
    int queued[HOLES];
    struct address addresses[HOLES + 1];
} holes;

static void open_holes(void)
{
    for (int i = 0; i < HOLES; i++)
        holes.listening[i] = open_hole(&holes.addresses[i], &holes.queued[i]);
}

static void close_holes(void)
{
    for (int i = 0; i < HOLES; i++) {
        close(holes.listening[i]);
        close(holes.queued[i]);
    }
}

static int count_open(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++) {
        char one;
        count += recv(fd, &one, 0, MSG_DONTWAIT) != -1 || errno != EBADF;
    }
    return count;
}

/* ---- the tests ---- */

static int errors[DIAL_ADDRESSES_MAX];

static enum io_status dial_all(size_t count, int *fd_r, size_t *chosen_r)
{
    static const struct dial_settings settings = {.source_ipv4 = NULL};

    memset(errors, 0, sizeof(errors));
    return dial(holes.addresses, count, &settings, waits.deadline_ms, fd_r, chosen_r, errors);
}

static void test_dead_ones_come_first(void **state)
{
    int server = open_server(&holes.addresses[HOLES]);
    size_t chosen;
    int fd;

    (void)state;
    open_holes();
    assert_int_equal(dial_all(HOLES + 1, &fd, &chosen), IO_OK);
    assert_int_equal(chosen, HOLES);
    assert_int_equal(waits.count, HOLES + 1);
    assert_in_range(waits.first_ms, 1, 250);
    assert_int_equal(waits.most_at_once, 2);
    assert_int_equal(errors[HOLES - 1], ETIMEDOUT);
    assert_int_equal(errors[HOLES], 0);
    close(fd);
    close_holes();
    close(server);
}

/* The third one answers in the second round; then an attempt has more time. */
static void test_a_slow_one_has_another_turn(void **state)
{
    size_t chosen;
    int fd;

    (void)state;
    open_holes();
    waits.open_at = HOLES + 1;
    waits.hole = holes.listening[2];
    assert_int_equal(dial_all(HOLES, &fd, &chosen), IO_OK);
    assert_int_equal(chosen, 2);
    assert_int_equal(waits.count, HOLES + 3);
    assert_in_range(waits.last_ms, 251, 500);
    assert_int_equal(waits.most_at_once, 2);
    close(fd);
    close_holes();
}

/* The first one answers its next SYN, while the second one is tried: nothing is wrong with that. */
static void test_a_later_one_is_not_blamed(void **state)
{
    size_t chosen;
    int fd;

    (void)state;
    open_holes();
    waits.open_at = waits.patient_at = 2;
    waits.hole = holes.listening[0];
    assert_int_equal(dial_all(2, &fd, &chosen), IO_OK);
    assert_int_equal(chosen, 0);
    assert_int_equal(waits.count, 2);
    assert_int_equal(errors[0], 0);
    assert_int_equal(errors[1], 0);
    close(fd);
    close_holes();
}

/* Two are under way until the end: neither has to make room. */
static void test_two_keep_their_time(void **state)
{
    size_t chosen;
    int fd;

    (void)state;
    open_holes();
    assert_int_equal(dial_all(2, &fd, &chosen), IO_DEADLINE);
    assert_int_equal(waits.count, 2);
    assert_in_range(waits.first_ms, 1, 250);
    assert_in_range(waits.last_ms, 251, LIMIT_MS);
    close_holes();
}

static void test_refusing_ones_are_tried_once(void **state)
{
    int fds[HOLES];
    size_t chosen;
    int fd;

    (void)state;
    for (int i = 0; i < HOLES; i++)
        fds[i] = bind_any(&holes.addresses[i]); /* does not listen */
    assert_int_equal(dial_all(HOLES, &fd, &chosen), IO_FAILED);
    assert_int_equal(errno, ECONNREFUSED);
    assert_in_range(waits.count, 0, HOLES);
    for (int i = 0; i < HOLES; i++) {
        assert_int_equal(errors[i], ECONNREFUSED);
        close(fds[i]);
    }
}

static void test_a_stop_closes_all(void **state)
{
    size_t chosen;
    int before;
    int fd;

    (void)state;
    open_holes();
    before = count_open();
    waits.stop_at = 5;
    assert_int_equal(dial_all(HOLES, &fd, &chosen), IO_STOPPED);
    assert_int_equal(count_open(), before);
    close_holes();
}

static void test_none(void **state)
{
    size_t chosen;
    int fd;

    (void)state;
    assert_int_equal(dial_all(0, &fd, &chosen), IO_FAILED);
    assert_int_equal(errno, EADDRNOTAVAIL);
    assert_int_equal(waits.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dead_ones_come_first, begin),
        cmocka_unit_test_setup(test_a_slow_one_has_another_turn, begin),
        cmocka_unit_test_setup(test_a_later_one_is_not_blamed, begin),
        cmocka_unit_test_setup(test_two_keep_their_time, begin),
        cmocka_unit_test_setup(test_refusing_ones_are_tried_once, begin),
        cmocka_unit_test_setup(test_a_stop_closes_all, begin),
        cmocka_unit_test_setup(test_none, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
