/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Jobs of the helper: how many run at a time, in which order they wait, and what happens when a
 * session leaves.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper/job.h"

enum {
    DESCRIPTORS = 32 + 2 * 7 * 8, /* room for 56 jobs, of which 8 programs run */
    JOBS = 56,
    PROGRAMS = 8,
    SHARE = PROGRAMS / 4,
    SESSIONS = 3,
    WORKER_MAX = SESSIONS + 8,
    ASKED_MAX = 128,
};

static struct ev_loop *loop;
static struct job *started[ASKED_MAX];
static size_t started_count;
static int sessions[ASKED_MAX]; /* the asking sides' ends */
static size_t asked;

static struct channel *further; /* the channel that has brought a further question */

static void on_question(struct channel *channel)
{
    char data[64];
    struct message request;
    size_t length;

    if (message_read(channel->fd, data, sizeof(data), &length) != IO_OK) {
        channel_end(channel);
        return;
    }
    message_open(&request, data, length);
    channel_begin(channel, request.number);
    further = channel;
}

static int setup(void **state)
{
    (void)state;
    loop = ev_loop_new(EVFLAG_AUTO);
    started_count = asked = 0;
    if (loop == NULL)
        return -1;
    job_init(DESCRIPTORS, SESSIONS);
    channel_init(loop, job_most(), on_question);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < asked; i++)
        if (sessions[i] != -1)
            close(sessions[i]);
    for (size_t i = 0; i < started_count; i++)
        if (started[i] != NULL)
            job_end(started[i]);
    ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(job_count(), 0);
    channel_keep_none();
    ev_loop_destroy(loop);
    return 0;
}

static void on_start(struct job *job)
{
    started[started_count++] = job;
}

/* Asks as a worker, for an address. The field of the request is the number of the question. */
static struct job *ask_for(enum job_kind kind, pid_t worker, uint64_t account)
{
    char memory[32];
    struct message request;
    struct job_origin origin = {.account = account, .session = "s"};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    origin.channel = channel_open(pair[1], worker);
    assert_non_null(origin.channel);
    channel_begin(origin.channel, 1000U + (uint32_t)asked);
    sessions[asked] = pair[0];
    message_begin(&request, memory, sizeof(memory), MESSAGE_ACCESS);
    message_put_number(&request, (int64_t)asked);
    message_open(&request, memory, request.length);
    asked++;
    return job_new(kind, &origin, &request, on_start);
}

static struct job *ask(pid_t worker, uint64_t account)
{
    return ask_for(JOB_PROGRAM, worker, account);
}

static void finish(size_t i)
{
    job_finish(started[i], MESSAGE_RESULT_DONE);
    started[i] = NULL;
}

static int64_t number_of(size_t i)
{
    struct message request = started[i]->request;

    return message_get_number(&request);
}

static void test_order(void **state)
{
    (void)state;
    for (int i = 0; i < PROGRAMS + 3; i++)
        assert_non_null(ask(100 + i, (uint64_t)(i + 1)));
    assert_int_equal(started_count, 0); /* the loop starts them */
    assert_true(job_start_waiting());
    assert_int_equal(started_count, PROGRAMS);
    assert_false(job_start_waiting());
    assert_int_equal(job_count(), PROGRAMS + 3);
    finish(5);
    finish(0);
    assert_true(job_start_waiting());
    assert_int_equal(started_count, PROGRAMS + 2);
    for (size_t i = 0; i < PROGRAMS + 2; i++)
        if (started[i] != NULL)
            assert_int_equal(number_of(i), i);
}

/* Receives a message of the answer to this question. */
static size_t receive(size_t question, char *data, size_t size)
{
    ssize_t length = recv(sessions[question], data, size, MSG_DONTWAIT);
    struct message message;

    assert_true(length >= (ssize_t)MESSAGE_HEAD_BYTES);
    message_open(&message, data, (size_t)length);
    assert_int_equal(message.number, 1000 + question);
    return (size_t)length - MESSAGE_HEAD_BYTES;
}

static bool is_closed(size_t question)
{
    char octet;

    return recv(sessions[question], &octet, 1, MSG_DONTWAIT) == 0;
}

static void test_answer(void **state)
{
    char data[16];

    (void)state;
    assert_non_null(ask(1, 1));
    job_start_waiting();
    assert_int_equal(job_answer(started[0], MESSAGE_OUTPUT, "xy", 2), IO_OK);
    finish(0);
    assert_int_equal(receive(0, data, sizeof(data)), 2);
    assert_int_equal(data[0], MESSAGE_OUTPUT);
    assert_memory_equal(data + MESSAGE_HEAD_BYTES, "xy", 2);
    assert_int_equal(receive(0, data, sizeof(data)), 1);
    assert_int_equal(data[0], MESSAGE_RESULT);
    assert_int_equal(data[MESSAGE_HEAD_BYTES], MESSAGE_RESULT_DONE);
    assert_true(is_closed(0)); /* this process has made the pair, and not process 1 */
}

/* ---- pairs that are kept ---- */

/* Asks on a pair that this process has made, as workers do, and answers. */
static void ask_and_answer(void)
{
    assert_non_null(ask(getpid(), asked + 1));
    job_start_waiting();
    finish(started_count - 1);
}

static void send_further(size_t question, uint32_t number)
{
    char memory[16];
    struct message request;

    message_begin(&request, memory, sizeof(memory), MESSAGE_ACCESS);
    message_set_number(&request, number);
    assert_int_equal(message_send(sessions[question], memory, request.length, -1, 0), IO_OK);
    further = NULL;
    ev_run(loop, EVRUN_NOWAIT);
}

static void test_kept(void **state)
{
    (void)state;
    ask_and_answer();
    assert_false(is_closed(0));
    send_further(0, 7);
    assert_non_null(further);
    assert_int_equal(further->number, 7);
    channel_end(further); /* without an answer */
    (void)recv(sessions[0], (char[16]){0}, 16, MSG_DONTWAIT);
    assert_true(is_closed(0));
}

static void test_not_kept_without_a_whole_answer(void **state)
{
    (void)state;
    assert_non_null(ask(getpid(), 1));
    job_start_waiting();
    assert_int_equal(job_answer(started[0], MESSAGE_ROUTED_PART, "x", 1), IO_OK);
    job_end(started[0]);
    started[0] = NULL;
    (void)recv(sessions[0], (char[16]){0}, 16, MSG_DONTWAIT);
    assert_true(is_closed(0));
}

/* A worker that asks before it has the answer is not to be trusted with a pair. */
static void test_two_questions_at_once(void **state)
{
    (void)state;
    assert_non_null(ask(getpid(), 1));
    send_further(0, 7);
    assert_null(further);
    assert_int_equal(job_count(), 0);
    assert_true(recv(sessions[0], (char[16]){0}, 16, MSG_DONTWAIT) <= 0);
}

static size_t count_closed(void)
{
    size_t closed = 0;

    for (size_t i = 0; i < asked; i++) {
        (void)recv(sessions[i], (char[16]){0}, 16, MSG_DONTWAIT);
        closed += is_closed(i);
    }
    return closed;
}

/* There is room for so many in all: those that are kept give way. */
static void test_kept_give_way(void **state)
{
    (void)state;
    channel_init(loop, MESSAGE_PAIRS_KEPT, on_question);
    for (int i = 0; i < MESSAGE_PAIRS_KEPT + 5; i++)
        ask_and_answer();
    assert_int_equal(count_closed(), 5);
}

/* As many again as it can keep itself. */
static void test_share_of_what_is_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * MESSAGE_PAIRS_KEPT + 5; i++)
        ask_and_answer();
    assert_int_equal(count_closed(), 5);
}

static void test_keep_none(void **state)
{
    (void)state;
    ask_and_answer();
    channel_keep_none();
    (void)recv(sessions[0], (char[16]){0}, 16, MSG_DONTWAIT);
    assert_true(is_closed(0));
    ask_and_answer();
    (void)recv(sessions[1], (char[16]){0}, 16, MSG_DONTWAIT);
    assert_true(is_closed(1));
}

/* One that has its share does not hold up those that came later. */
static void check_share(pid_t worker, uint64_t account)
{
    for (int i = 0; i < SHARE + 2; i++)
        assert_non_null(
            ask(worker != 0 ? worker : 100 + i, account != 0 ? account : 100U + (unsigned)i));
    assert_non_null(ask(7, 7));
    job_start_waiting();
    assert_int_equal(started_count, SHARE + 1);
    assert_int_equal(number_of(SHARE), SHARE + 2);
    finish(0);
    job_start_waiting();
    assert_int_equal(started_count, SHARE + 2);
    assert_int_equal(number_of(SHARE + 1), SHARE);
}

static void test_share_of_an_address(void **state)
{
    (void)state;
    check_share(0, 9);
}

static void test_share_of_a_worker(void **state)
{
    (void)state;
    check_share(9, 0);
}

static void test_kinds(void **state)
{
    (void)state;
    for (int i = 0; i < PROGRAMS; i++)
        assert_non_null(ask(100 + i, (uint64_t)(i + 1)));
    assert_non_null(ask_for(JOB_LOOKUP, 1, 1));
    job_start_waiting();
    assert_int_equal(started_count, PROGRAMS + 1);
}

static void test_too_many_of_a_worker(void **state)
{
    char data[16];

    (void)state;
    for (int i = 0; i < WORKER_MAX; i++)
        assert_non_null(ask(9, (uint64_t)(i + 1)));
    errno = 0;
    assert_null(ask(9, 77));
    assert_int_equal(errno, EBUSY);
    assert_int_equal(receive(asked - 1, data, sizeof(data)), 1);
    assert_int_equal(data[0], MESSAGE_RESULT);
    assert_int_equal(data[MESSAGE_HEAD_BYTES], MESSAGE_RESULT_FAILED);
    assert_true(is_closed(asked - 1));
    assert_non_null(ask(10, 77));
}

static void test_too_many_of_an_address(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS / 2; i++)
        assert_non_null(ask(100 + i, 9));
    assert_null(ask(1000, 9));
    assert_int_equal(errno, EBUSY);
    for (int i = 0; i < JOBS / 2; i++) {
        assert_false(job_is_full());
        assert_non_null(ask(200 + i, (uint64_t)(i + 20)));
    }
    assert_true(job_is_full());
}

static void test_unknown_origin(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS; i++)
        assert_non_null(ask(0, 0));
    job_start_waiting();
    assert_int_equal(started_count, PROGRAMS);
}

static void leave(size_t i)
{
    close(sessions[i]);
    sessions[i] = -1;
    ev_run(loop, EVRUN_NOWAIT);
}

static void test_gone_while_waiting(void **state)
{
    (void)state;
    for (int i = 0; i < SHARE + 2; i++)
        assert_non_null(ask(100 + i, 9));
    job_start_waiting();
    leave(SHARE);
    assert_int_equal(job_count(), SHARE + 1);
    finish(0);
    job_start_waiting();
    assert_int_equal(started_count, SHARE + 1);
    assert_int_equal(number_of(SHARE), SHARE + 1);
}

static unsigned gone_count;

static void on_gone(struct job *job)
{
    assert_string_equal(job->owner, "owner");
    gone_count++;
    job_release(job);
}

static void test_gone_while_running(void **state)
{
    static char owner[] = "owner";

    (void)state;
    gone_count = 0;
    for (int i = 0; i < SHARE + 1; i++)
        assert_non_null(ask(9, 9));
    job_start_waiting();
    job_take(started[0], owner, on_gone);
    leave(0);
    assert_int_equal(gone_count, 1);
    assert_int_equal(job_count(), SHARE);
    assert_int_equal(job_answer(started[0], MESSAGE_OUTPUT, "x", 1), IO_FAILED);
    assert_false(job_start_waiting()); /* it counts as running until it ends */
    finish(0);
    assert_true(job_start_waiting());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_kept_without_a_whole_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_questions_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share_of_what_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keep_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share_of_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share_of_a_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_of_a_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_of_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_origin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_while_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_while_running, setup, teardown),
    };

    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
