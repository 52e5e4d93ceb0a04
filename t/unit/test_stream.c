/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for input on a layer that takes octets and has none for us, as TLS does with parts of a
 * record: neither the octets that follow nor the deadline may be missed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/stream.h"

enum { NOISE = '~', LIMIT_MS = 50 };

static int source;
static bool is_flood;

/* Reads one octet at a time, and returns none if it is noise. */
static enum io_status read_through(struct stream *stream, void *to, size_t size, size_t *moved_r)
{
    char *octet = to;

    assert_true(size >= 1);
    if (is_flood)
        assert_int_equal(send(source, "~", 1, 0), 1);
    if (recv(stream->read_fd, octet, 1, MSG_DONTWAIT) != 1)
        return IO_FAILED;
    if (*octet == NOISE)
        return IO_AGAIN;
    *moved_r = 1;
    return IO_OK;
}

static bool has_nothing(const struct stream *stream)
{
    (void)stream;
    return false;
}

static bool has_all(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void close_fd(struct stream *stream)
{
    close(stream->read_fd);
}

static const struct stream_ops noisy_ops = {
    .read = read_through, .has_pending = has_nothing, .close = close_fd};

static const struct stream_ops full_ops = {
    .read = read_through, .has_pending = has_all, .close = close_fd};

static void open_noisy(struct stream *stream, const char *octets, size_t length)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    source = fds[1];
    assert_int_equal(send(source, octets, length, 0), (ssize_t)length);
    *stream = (struct stream){
        .ops = &noisy_ops, .read_fd = fds[0], .write_fd = fds[0], .read_wants = POLLIN};
}

static void close_both(struct stream *stream)
{
    stream_close(stream);
    close(source);
}

static void test_listening_goes_on_behind_noise(void **state)
{
    struct stream stream;

    (void)state;
    open_noisy(&stream, "~~+", 3);
    assert_int_equal(stream_listen(&stream, 512, clock_after_ms(5000)), IO_OK);
    assert_int_equal(buffer_length(&stream.in), 1);
    close_both(&stream);
    open_noisy(&stream, "~", 1);
    assert_int_equal(stream_listen(&stream, 512, clock_after_ms(LIMIT_MS)), IO_DEADLINE);
    close_both(&stream);
}

static void test_a_look_does_not_wait(void **state)
{
    struct stream stream;

    (void)state;
    open_noisy(&stream, "~", 1);
    assert_int_equal(stream_listen(&stream, 512, CLOCK_PASSED), IO_DEADLINE);
    assert_int_equal(stream_listen(&stream, 512, CLOCK_PASSED), IO_DEADLINE);
    assert_int_equal(send(source, "+", 1, 0), 1);
    wait_pass();
    assert_int_equal(stream_listen(&stream, 512, CLOCK_PASSED), IO_OK);
    close_both(&stream);
}

static void test_noise_without_end_ends_at_the_deadline(void **state)
{
    struct stream stream;

    (void)state;
    is_flood = true;
    open_noisy(&stream, "~", 1);
    assert_int_equal(stream_fill(&stream, 512, clock_after_ms(LIMIT_MS)), IO_DEADLINE);
    is_flood = false;
    close_both(&stream);
}

/* ---- input that the layer holds ---- */

static int pauses;

static enum io_status wait_in_vain(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    (void)fds;
    (void)count;
    (void)deadline_ms;
    return IO_FAILED;
}

static void count_pause(void)
{
    pauses++;
}

static void note_nothing(int fd, short event, bool is_exhausted)
{
    (void)fd;
    (void)event;
    (void)is_exhausted;
}

static const struct wait_backend counting = {
    .wait = wait_in_vain, .note = note_nothing, .pause = count_pause};

/* It is taken without a wait, so others must get their turn in another way. */
static void test_input_that_the_layer_holds(void **state)
{
    struct stream stream;

    (void)state;
    open_noisy(&stream, "abc", 3);
    stream.ops = &full_ops;
    wait_use(&counting);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(stream_fill(&stream, 512, clock_after_ms(5000)), IO_OK);
        assert_int_equal(buffer_length(&stream.in), i);
        assert_int_equal(pauses, i);
    }
    wait_use(NULL);
    close_both(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listening_goes_on_behind_noise),
        cmocka_unit_test(test_a_look_does_not_wait),
        cmocka_unit_test(test_noise_without_end_ends_at_the_deadline),
        cmocka_unit_test(test_input_that_the_layer_holds),
    };

    alarm(30); /* nothing here may hang */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
