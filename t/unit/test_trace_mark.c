/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The marks of traced names, and the lines on their way: what a full table, a full socket and a
 * worker that sends nonsense do. The cases build on each other: the pair of sockets is made once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "pool/trace_mark.h"

static struct trace_marks memory;
static struct trace_message message;

static void test_without_memory_and_sockets(void **state)
{
    uint64_t name = 1;

    (void)state;
    assert_false(trace_marks_are_any());
    assert_int_equal(trace_marks_find(&name, 1), 0);
    assert_int_equal(trace_mark_set(1), -1);
    assert_int_equal(trace_write_descriptor(), -1);
    assert_int_equal(trace_read_descriptor(), -1);
    trace_marks_set_writable(&memory);
    assert_int_equal(trace_mark_set(1), -1); /* nothing could carry its lines */
    assert_false(trace_marks_are_any());
}

static void test_prepare_only_once(void **state)
{
    int to_write, to_read;

    (void)state;
    trace_prepare();
    to_write = trace_write_descriptor();
    to_read = trace_read_descriptor();
    trace_prepare();
    assert_int_not_equal(to_write, -1);
    assert_int_equal(trace_write_descriptor(), to_write);
    assert_int_equal(trace_read_descriptor(), to_read);
}

static void test_a_full_table(void **state)
{
    uint64_t names[TRACE_MARKS_MAX + 1];
    uint32_t all = (UINT32_C(1) << TRACE_MARKS_MAX) - 1;

    (void)state;
    for (int i = 0; i <= TRACE_MARKS_MAX; i++)
        names[i] = 100 + (uint64_t)i;
    for (int i = 0; i < TRACE_MARKS_MAX; i++)
        assert_int_equal(trace_mark_set(names[i]), i);
    assert_int_equal(trace_mark_set(names[TRACE_MARKS_MAX]), -1);
    assert_true(trace_marks_are_any());
    assert_int_equal(trace_marks_find(names, TRACE_MARKS_MAX + 1), all);
    assert_int_equal(trace_marks_find(&names[3], 1), 1 << 3);
    assert_int_equal(trace_marks_find(&names[TRACE_MARKS_MAX], 1), 0);
    assert_int_equal(trace_marks_find(names, 0), 0);

    trace_mark_end(3);
    assert_int_equal(trace_marks_find(names, TRACE_MARKS_MAX), all & ~(UINT32_C(1) << 3));
    assert_int_equal(trace_mark_set(names[TRACE_MARKS_MAX]), 3); /* its place is free again */
    for (int i = 0; i < TRACE_MARKS_MAX; i++)
        trace_mark_end(i);
    trace_mark_end(0); /* twice: a process that ends late */
    assert_false(trace_marks_are_any());
    assert_int_equal(memory.count, 0);
}

/* A session without a name must not match a mark that is not in use. */
static void test_the_name_zero(void **state)
{
    uint64_t name = 0;

    (void)state;
    assert_int_equal(trace_marks_find(&name, 1), 0);
    assert_int_equal(trace_mark_set(0), 0);
    assert_true(trace_marks_are_any());
    assert_int_equal(trace_marks_find(&name, 1), 0);
    trace_mark_end(0);
}

/* Two traces of one user each get the lines. */
static void test_one_name_twice(void **state)
{
    uint64_t names[] = {7, 8};

    (void)state;
    assert_int_equal(trace_mark_set(7), 0);
    assert_int_equal(trace_mark_set(7), 1);
    assert_int_equal(trace_marks_find(names, 2), 3);
    trace_mark_end(0);
    assert_int_equal(trace_marks_find(names, 2), 2);
    trace_mark_end(1);
}

static void test_lines(void **state)
{
    static char longest[2 * TRACE_LINE_BYTES];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(trace_receive(&message), -1);
    assert_true(trace_send(5, "one", 3));
    assert_true(trace_send(1, longest, sizeof(longest)));
    assert_int_equal(trace_receive(&message), 3);
    assert_int_equal(message.marks, 5);
    assert_memory_equal(message.text, "one", 3);
    assert_int_equal(trace_receive(&message), TRACE_LINE_BYTES); /* cut */
    assert_memory_equal(message.text, longest, TRACE_LINE_BYTES);
    assert_int_equal(trace_receive(&message), -1);
}

/* Nobody reads: send neither waits nor fails for ever. */
static void test_a_full_socket(void **state)
{
    unsigned sent = 0, received = 0;

    (void)state;
    while (trace_send(1, "line", 4))
        sent++;
    assert_true(sent > 10);
    assert_false(trace_send(1, "line", 4));
    while (trace_receive(&message) != -1)
        received++;
    assert_int_equal(received, sent);
    assert_true(trace_send(1, "line", 4));
    assert_int_equal(trace_receive(&message), 4);
}

/* What a worker that was broken into may send. */
static void test_nonsense(void **state)
{
    static char octets[sizeof(struct trace_message) + 100];
    int to_write = trace_write_descriptor();

    (void)state;
    memset(octets, 0xff, sizeof(octets));
    for (size_t length = 1; length <= offsetof(struct trace_message, text); length++) {
        assert_int_equal(send(to_write, octets, length, 0), length);
        assert_int_equal(trace_receive(&message), 0);
        assert_int_equal(message.marks,
                         length < offsetof(struct trace_message, text) ? 0 : UINT32_MAX);
    }
    assert_int_equal(send(to_write, octets, sizeof(octets), 0), sizeof(octets));
    assert_in_range(trace_receive(&message), 0, sizeof(message.text));
    assert_int_equal(trace_receive(&message), -1); /* the rest of it is gone */
}

/* The next status process forgets the marks of the last one. */
static void test_a_new_process(void **state)
{
    uint64_t name = 9;

    (void)state;
    trace_mark_set(name);
    trace_marks_set_writable(&memory);
    assert_false(trace_marks_are_any());
    assert_int_equal(trace_marks_find(&name, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory_and_sockets),
        cmocka_unit_test(test_prepare_only_once),
        cmocka_unit_test(test_a_full_table),
        cmocka_unit_test(test_the_name_zero),
        cmocka_unit_test(test_one_name_twice),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_full_socket),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_a_new_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
