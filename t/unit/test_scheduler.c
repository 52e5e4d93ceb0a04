/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wait of a process with many tasks: readiness, deadlines, stops and fairness as in the
 * blocking wait, over socket pairs within one process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/scheduler.h"
#include "io/stream.h"
#include "io/wait.h"

enum { DESCRIPTORS = 8192 };

static bool has_no_tasks(void)
{
    return scheduler_tasks() == 0;
}

static void run_all(void)
{
    scheduler_run(has_no_tasks);
}

struct player {
    struct task task;
    int fd;
    int rounds;
    int done;
    enum io_status status;
    int64_t deadline_ms;
    struct player *other;
};

static struct player *player_new(void (*run)(struct task *), int fd)
{
    struct player *player = task_new(sizeof(*player), run);

    assert_non_null(player);
    player->fd = fd;
    return player;
}

static void make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

/* ---- two tasks that exchange octets many times ---- */

static int games_over;

static void play(struct task *task)
{
    struct player *self = (struct player *)task;
    struct stream stream;

    stream_open_socket(&stream, self->fd);
    for (int i = 0; i < self->rounds; i++) {
        char octet = (char)i;
        if (self->done == 0) { /* the one that begins */
            stream_put(&stream, &octet, 1);
            assert_int_equal(stream_flush(&stream, false, clock_after_ms(5000)), IO_OK);
        }
        assert_int_equal(stream_fill(&stream, 100, clock_after_ms(5000)), IO_OK);
        assert_int_equal(buffer_length(&stream.in), 1);
        assert_int_equal(*buffer_data(&stream.in), octet);
        buffer_consume(&stream.in, 1);
        if (self->done == 1) {
            stream_put(&stream, &octet, 1);
            assert_int_equal(stream_flush(&stream, false, clock_after_ms(5000)), IO_OK);
        }
    }
    stream_close(&stream);
    games_over++;
}

static void test_many_dialogues(void **state)
{
    enum { GAMES = 300, ROUNDS = 50 };

    (void)state;
    games_over = 0;
    for (int i = 0; i < GAMES; i++) {
        int fds[2];
        make_pair(fds);
        for (int k = 0; k < 2; k++) {
            struct player *player = player_new(play, fds[k]);
            player->rounds = ROUNDS;
            player->done = k;
        }
    }
    run_all();
    assert_int_equal(games_over, 2 * GAMES);
}

/* ---- waiting without reporting the result ---- */

static int octets_read;

/* Reads one octet at a time and never calls wait_note(). */
static void sip(struct task *task)
{
    struct player *self = (struct player *)task;
    char octet;

    for (;;) {
        assert_int_equal(wait_for_one(self->fd, POLLIN, clock_after_ms(5000)), IO_OK);
        ssize_t got = recv(self->fd, &octet, 1, MSG_DONTWAIT);
        if (got == 0)
            break;
        assert_int_equal(got, 1); /* a wait that says ready is right */
        octets_read++;
    }
    wait_close(self->fd);
}

static void pour(struct task *task)
{
    struct player *self = (struct player *)task;

    for (int i = 0; i < 20; i++) {
        assert_int_equal(send(self->fd, "abc", 3, MSG_DONTWAIT), 3);
        (void)wait_for(NULL, 0, clock_after_ms(i % 3));
    }
    wait_close(self->fd);
}

static void test_unsaid(void **state)
{
    int fds[2];

    (void)state;
    make_pair(fds);
    octets_read = 0;
    player_new(sip, fds[0]);
    player_new(pour, fds[1]);
    run_all();
    assert_int_equal(octets_read, 60);
}

/* ---- both sides full ---- */

enum { BULK = 3000000 };
static size_t bulk_received;

static void send_bulk(struct task *task)
{
    struct player *self = (struct player *)task;
    static char data[BULK];
    struct stream stream;
    size_t sent = 0;

    stream_open_socket(&stream, self->fd);
    while (sent < BULK) {
        size_t moved;
        enum io_status status = stream_try_write(&stream, data + sent, BULK - sent, false, &moved);
        sent += moved;
        if (status == IO_AGAIN)
            status = wait_for_one(self->fd, POLLOUT, clock_after_ms(5000));
        assert_int_equal(status, IO_OK);
    }
    stream_close(&stream);
}

static void receive_bulk(struct task *task)
{
    struct player *self = (struct player *)task;
    struct stream stream;
    enum io_status status;

    stream_open_socket(&stream, self->fd);
    while ((status = stream_fill(&stream, BUFFER_BLOCK_BYTES, clock_after_ms(5000))) == IO_OK) {
        bulk_received += buffer_length(&stream.in);
        buffer_clear(&stream.in);
    }
    assert_int_equal(status, IO_EOF);
    stream_close(&stream);
}

static void test_bulk(void **state)
{
    int fds[2];

    (void)state;
    make_pair(fds);
    bulk_received = 0;
    player_new(send_bulk, fds[0]);
    player_new(receive_bulk, fds[1]);
    run_all();
    assert_int_equal(bulk_received, BULK);
}

/* ---- deadlines ---- */

static int in_time;

static void wait_in_vain(struct task *task)
{
    struct player *self = (struct player *)task;
    int64_t begun_ms = clock_now_ms();
    int64_t took_ms;

    self->status = wait_for_one(self->fd, POLLIN, begun_ms + self->rounds);
    took_ms = clock_now_ms() - begun_ms;
    assert_int_equal(self->status, IO_DEADLINE);
    assert_true(took_ms >= self->rounds);
    if (took_ms < self->rounds + 150)
        in_time++;
}

static void test_deadlines(void **state)
{
    enum { WAITERS = 200 };
    int fds[WAITERS][2];

    (void)state;
    in_time = 0;
    for (int i = 0; i < WAITERS; i++) {
        make_pair(fds[i]);
        player_new(wait_in_vain, fds[i][0])->rounds = (i * 37) % 400;
    }
    run_all();
    assert_int_equal(in_time, WAITERS);
    for (int i = 0; i < WAITERS; i++) {
        wait_close(fds[i][0]);
        close(fds[i][1]);
    }
}

/* A deadline earlier than the last one. */
static void wait_long_then_short(struct task *task)
{
    struct player *self = (struct player *)task;
    int64_t begun_ms = clock_now_ms();
    char octet;

    assert_int_equal(wait_for_one(self->fd, POLLIN, begun_ms + 60000), IO_OK);
    assert_int_equal(read(self->fd, &octet, 1), 1);
    wait_note(self->fd, POLLIN, true);
    begun_ms = clock_now_ms();
    assert_int_equal(wait_for_one(self->fd, POLLIN, begun_ms + 50), IO_DEADLINE);
    assert_true(clock_now_ms() - begun_ms < 1000);
    assert_int_equal(wait_for_one(self->fd, POLLIN, CLOCK_PASSED), IO_DEADLINE);
    wait_close(self->fd);
}

static void say_one(struct task *task)
{
    struct player *self = (struct player *)task;

    assert_int_equal(wait_for(NULL, 0, clock_after_ms(300)),
                     IO_DEADLINE); /* its stack is trimmed while it waits */
    assert_int_equal(write(self->fd, "x", 1), 1);
    assert_int_equal(wait_for(NULL, 0, clock_after_ms(100)), IO_DEADLINE);
    wait_close(self->fd);
}

static void test_earlier_deadline(void **state)
{
    int fds[2];

    (void)state;
    make_pair(fds);
    player_new(wait_long_then_short, fds[0]);
    player_new(say_one, fds[1]);
    run_all();
}

/* ---- stops ---- */

static void be_stopped(struct task *task)
{
    struct player *self = (struct player *)task;

    assert_int_equal(wait_for_one(self->fd, POLLIN, CLOCK_NEVER), IO_STOPPED);
    assert_int_equal(wait_for_one(self->fd, POLLIN, CLOCK_NEVER), IO_STOPPED);
    wait_clear_stop();
    assert_int_equal(wait_for_one(self->fd, POLLIN, clock_after_ms(20)), IO_DEADLINE);
    wait_close(self->fd);
    self->other->done++;
}

static void stop_both(struct task *task)
{
    struct player *self = (struct player *)task;

    assert_int_equal(wait_for(NULL, 0, clock_after_ms(20)), IO_DEADLINE);
    task_stop(&self->other->task);
    assert_int_equal(wait_for(NULL, 0, clock_after_ms(100)), IO_DEADLINE);
    assert_int_equal(self->done, 1); /* one of the two */
    scheduler_stop_tasks();
    wait_clear_stop();
    assert_int_equal(wait_for(NULL, 0, clock_after_ms(100)), IO_DEADLINE);
    assert_int_equal(self->done, 2);
}

static void test_stop(void **state)
{
    int fds[2][2];
    struct player *one;
    struct player *two;
    struct player *stopper;

    (void)state;
    make_pair(fds[0]);
    make_pair(fds[1]);
    one = player_new(be_stopped, fds[0][0]);
    two = player_new(be_stopped, fds[1][0]);
    stopper = player_new(stop_both, -1);
    one->other = two->other = stopper;
    stopper->other = one;
    run_all();
    close(fds[0][1]);
    close(fds[1][1]);
}

/* ---- the other side has closed ---- */

static void see_the_end(struct task *task)
{
    struct player *self = (struct player *)task;
    struct stream stream;

    stream_open_socket(&stream, self->fd);
    assert_int_equal(stream_fill(&stream, 100, clock_after_ms(5000)), IO_OK);
    assert_int_equal(buffer_length(&stream.in), 4);
    buffer_clear(&stream.in);
    assert_int_equal(stream_fill(&stream, 100, clock_after_ms(5000)), IO_EOF);
    stream_close(&stream);
}

static void test_end_with_data(void **state)
{
    int fds[2];

    (void)state;
    for (int half = 0; half < 2; half++) {
        make_pair(fds);
        assert_int_equal(write(fds[1], "last", 4), 4);
        if (half)
            shutdown(fds[1], SHUT_WR);
        else
            close(fds[1]);
        player_new(see_the_end, fds[0]);
        run_all();
        if (half)
            close(fds[1]);
    }
}

/* ---- several tasks wait for one descriptor ---- */

static int awake;

static void wait_together(struct task *task)
{
    struct player *self = (struct player *)task;

    assert_int_equal(wait_for_one(self->fd, POLLIN, clock_after_ms(5000)), IO_OK);
    awake++;
}

static void test_shared(void **state)
{
    int fds[2];

    (void)state;
    make_pair(fds);
    awake = 0;
    for (int i = 0; i < 5; i++)
        player_new(wait_together, fds[0]);
    player_new(say_one, fds[1]);
    run_all();
    assert_int_equal(awake, 5);
    wait_close(fds[0]);
}

/* ---- no task delays the others ---- */

static bool is_greedy_over;

static void be_greedy(struct task *task)
{
    struct player *self = (struct player *)task;

    for (int i = 0; i < 100000 && !is_greedy_over; i++)
        assert_int_equal(wait_for_one(self->fd, POLLIN, clock_after_ms(5000)), IO_OK);
    assert_true(is_greedy_over);
    wait_close(self->fd);
}

static void end_greed(struct task *task)
{
    struct player *self = (struct player *)task;

    assert_int_equal(wait_for(NULL, 0, clock_after_ms(5)), IO_DEADLINE);
    is_greedy_over = true;
    wait_close(self->fd);
}

static void test_fair(void **state)
{
    int fds[2];

    (void)state;
    make_pair(fds);
    assert_int_equal(write(fds[1], "x", 1), 1);
    player_new(be_greedy, fds[0]);
    player_new(end_greed, fds[1]);
    run_all();
}

/* ---- a task that never has to wait yields, by time ---- */

enum { SLICE_MS = 1, WORKERS = 5, ROUNDS = 20, SETTLED = 3 };

static const struct task *last_to_work;
static int slices;       /* how often a worker began to run */
static int steps;        /* of work in the current slice */
static int steps_most;   /* in one slice */
static int slices_most;  /* between two turns of the light task */
static int slices_begun; /* when it had its last turn */
static bool is_work_over;

/* Uses the processor for longer than a slice. */
static void work_long(void)
{
    int64_t until_ms = clock_after_ms(2 * SLICE_MS + 1);

    while (clock_now_ms() < until_ms)
        continue;
}

static void count_step(const struct task *self)
{
    if (last_to_work != self) {
        last_to_work = self;
        slices++;
        steps = 0;
    }
    if (++steps > steps_most)
        steps_most = steps;
}

/* Finds its descriptor ready each time. */
static void work_and_wait(struct task *task)
{
    struct player *self = (struct player *)task;

    while (!is_work_over) {
        count_step(task);
        work_long();
        assert_int_equal(wait_for_one(self->fd, POLLIN, clock_after_ms(60000)), IO_OK);
    }
}

/* Does not wait at all: its input is in our memory. */
static void work_and_pause(struct task *task)
{
    while (!is_work_over) {
        count_step(task);
        work_long();
        wait_pause();
    }
}

/* The two play with each other, and what they do takes no time. */
static void serve_lightly(struct task *task)
{
    struct player *self = (struct player *)task;
    char octet = 0;

    for (int i = 0; i < self->rounds; i++) {
        if (self->done == 0)
            assert_int_equal(write(self->fd, "x", 1), 1);
        assert_int_equal(wait_for_one(self->fd, POLLIN, clock_after_ms(60000)), IO_OK);
        assert_int_equal(read(self->fd, &octet, 1), 1);
        wait_note(self->fd, POLLIN, true);
        if (self->done == 1)
            assert_int_equal(write(self->fd, "x", 1), 1);
        if (i < SETTLED)
            steps_most = 0;
        else if (slices - slices_begun > slices_most)
            slices_most = slices - slices_begun;
        slices_begun = slices;
        last_to_work = NULL;
    }
    is_work_over = true;
}

static void work_beside_a_game(void (*work)(struct task *), int fd)
{
    int fds[2];

    is_work_over = false;
    last_to_work = NULL;
    slices = steps = steps_most = slices_most = slices_begun = 0;
    for (int i = 0; i < WORKERS; i++)
        player_new(work, fd);
    make_pair(fds);
    for (int k = 0; k < 2; k++) {
        struct player *player = player_new(serve_lightly, fds[k]);
        player->rounds = ROUNDS;
        player->done = k;
    }
    run_all();
    wait_close(fds[0]);
    wait_close(fds[1]);
    assert_true(slices > 0);
    assert_in_range(steps_most, 1, 2); /* each took longer than a slice, and starts it at its end */
    assert_in_range(slices_most, 0, 2); /* not one of each worker */
}

static void test_slices(void **state)
{
    int fds[2];

    (void)state;
    make_pair(fds);
    assert_int_equal(write(fds[1], "x", 1), 1);
    work_beside_a_game(work_and_wait, fds[0]);
    wait_close(fds[0]);
    close(fds[1]);
}

static void test_pauses(void **state)
{
    (void)state;
    work_beside_a_game(work_and_pause, -1);
}

static int open_once(void **state)
{
    (void)state;
    return scheduler_open(DESCRIPTORS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_dialogues),
        cmocka_unit_test(test_unsaid),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_earlier_deadline),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_end_with_data),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_fair),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_pauses),
    };

    alarm(60); /* nothing here may hang */
    return coroutine_is_supported() ? cmocka_run_group_tests(tests, open_once, NULL) : 77;
}
