/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's side of a pool: it trusts only its own memory and not the shared memory that workers
 * can write. The worker is a child that sleeps; this process must never get its signals.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cpu_idle.h"
#include "base/log.h"
#include "pool/pool.h"
#include "pool/pool_rest.h"
#include "pool/pool_room.h"
#include "pool/pool_size.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"
#include "pool/worker.h"
#include "status/status_view.h"

enum { WORKERS = 4 };

static char name[] = "one";
static struct conf_instance instance;
static struct instance_memory memory;
static struct pool pool;
static volatile sig_atomic_t signals;
static bool has_coroutines;

bool __wrap_coroutine_is_supported(void);

bool __wrap_coroutine_is_supported(void)
{
    return has_coroutines;
}

/* While the states are counted, the idle worker is taken and the busy one becomes idle. Each was seen
 * when it was idle. */
static bool is_swapped;

size_t __real_pool_count_state(const struct pool *counted, enum scoreboard_state state);
size_t __wrap_pool_count_state(const struct pool *counted, enum scoreboard_state state);

size_t __wrap_pool_count_state(const struct pool *counted, enum scoreboard_state state)
{
    size_t count = __real_pool_count_state(counted, state);

    if (!is_swapped)
        return count;
    is_swapped = false;
    scoreboard_set_state(pool_worker_slot(counted, 0), SCOREBOARD_BUSY);
    scoreboard_add_idle(counted->scoreboard, -1);
    scoreboard_add_idle(counted->scoreboard, 1);
    scoreboard_set_state(pool_worker_slot(counted, 1), SCOREBOARD_IDLE);
    return count + 1;
}

static unsigned lines_about_tampering;

void __wrap_log_message(enum event event, const char *format, ...);
void __wrap_log_message_at(enum log_level level, enum event event, const char *format, ...);

void __wrap_log_message(enum event event, const char *format, ...)
{
    (void)format;
    lines_about_tampering += event == EVENT_TAMPERING;
}

void __wrap_log_message_at(enum log_level level, enum event event, const char *format, ...)
{
    (void)level;
    (void)format;
    lines_about_tampering += event == EVENT_TAMPERING;
}

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static int make_pool(void **state)
{
    (void)state;
    alarm(60); /* a worker without a signal sleeps for ever */
    signals = 0;
    has_coroutines = true;
    instance =
        (struct conf_instance){.section = {.name = name}, .values = &instance.section.values};
    instance.section.values.max_workers = WORKERS;
    instance.section.values.sessions_per_worker = 1;
    memory = (struct instance_memory){.accounts = account_table_new()};
    pool = (struct pool){.instance = &instance, .memory = &memory, .request_fds = {-1, -1}};
    pool_size_init(&pool);
    return memory.accounts == NULL || pool_make_slots(&pool) == -1 ? -1 : 0;
}

static int free_pool(void **state)
{
    (void)state;
    for (size_t i = 0; i < pool.worker_count; i++) {
        if (!pool_has_process(&pool, i))
            continue;
        pool_signal(&pool, i, SIGKILL);
        waitpid(pool.pids[i], NULL, 0);
    }
    pool_size_stop(&pool);
    pool_free_slots(&pool);
    account_table_free(memory.accounts);
    return 0;
}

static void handle_signals(void (*handler)(int number))
{
    signal(WORKER_SIGNAL_RETIRE, handler);
    signal(WORKER_SIGNAL_STOP, handler);
}

/* Every signal ends the worker. */
static void sleep_for_ever(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

/* A broken worker has written another process into its slot and into the next one. */
static void start_worker(size_t i)
{
    pid_t pid;

    handle_signals(SIG_DFL);
    pid = fork();
    if (pid == 0)
        sleep_for_ever();
    handle_signals(count_signal);
    assert_true(pid > 0);
    pool.pids[i] = pid;
    pool.alive++;
    pool.workers_end = i + 1;
    atomic_store(&pool_worker_slot(&pool, i)->pid, (int)getpid());
    atomic_store(&pool_worker_slot(&pool, i + 1)->pid, (int)getpid());
}

/* The signal that has ended the worker. */
static int end_of(size_t i)
{
    int status;

    assert_int_equal(waitpid(pool.pids[i], &status, 0), pool.pids[i]);
    pool.pids[i] = 0;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_retire(void **state)
{
    (void)state;
    start_worker(0);
    pool_retire(&pool);
    assert_int_equal(signals, 0);
    assert_int_equal(end_of(0), WORKER_SIGNAL_RETIRE);
}

static void test_stop(void **state)
{
    (void)state;
    start_worker(0);
    pool_stop(&pool);
    assert_int_equal(signals, 0);
    assert_int_equal(end_of(0), WORKER_SIGNAL_STOP);
}

static void test_kill(void **state)
{
    (void)state;
    start_worker(0);
    pool_kill(&pool);
    assert_int_equal(end_of(0), SIGKILL);
}

static void test_refresh(void **state)
{
    (void)state;
    start_worker(0);
    pool_refresh(&pool);
    assert_int_equal(signals, 0);
    assert_int_equal(end_of(0), WORKER_SIGNAL_RETIRE);
}

static void test_reap(void **state)
{
    pid_t pid;

    (void)state;
    start_worker(0);
    pool.state = POOL_RETIRING;
    pid = pool.pids[0];
    assert_false(pool_reap(&pool, getpid(), 0));
    pool_signal(&pool, 0, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(pool_reap(&pool, pid, 0));
    assert_int_equal(pool.workers_end, 0);
    assert_true(pool_is_empty(&pool));
    assert_false(pool_reap(&pool, pid, 0));
}

/* Only slots in use take memory, however many there may be. */
static size_t count_pages(void)
{
    static unsigned char is_resident[65536];
    size_t bytes = pool_slot_count(&pool) * sizeof(struct scoreboard_slot);
    size_t count = 0;

    assert_true(bytes / (size_t)getpagesize() < sizeof(is_resident));
    assert_int_equal(mincore(pool.scoreboard, bytes, is_resident), 0);
    for (size_t i = 0; i < bytes / (size_t)getpagesize(); i++)
        count += is_resident[i] & 1;
    return count;
}

static void test_memory(void **state)
{
    struct status_view view;
    struct generation generation = {0};

    (void)state;
    pool_free_slots(&pool);
    instance.section.values.max_workers = 20000;
    instance.section.values.listen = name;
    memory.totals = calloc(1, sizeof(*memory.totals));
    pool.generation = &generation;
    assert_int_equal(pool_make_slots(&pool), 0);
    start_worker(0);
    pool_rest_call_all(&pool);
    (void)pool_make_room(&pool, 1);
    assert_int_equal(status_view_take(&view, &pool, 0, &(struct status_reload){0}), 0);
    status_view_free(&view);
    free(memory.totals);
    assert_in_range(count_pages(), 1, 2);
}

/* A worker that leaves after its last sessions does not count against the pool's size. */
static void test_refresh_of_many(void **state)
{
    (void)state;
    pool_free_slots(&pool);
    instance.section.values.max_workers = 2;
    instance.section.values.sessions_per_worker = 10;
    assert_int_equal(pool_make_slots(&pool), 0);
    for (size_t i = 0; i < 3; i++)
        start_worker(i);
    atomic_store(&pool_worker_slot(&pool, 0)->state, SCOREBOARD_LEAVING);
    pool_refresh(&pool);
    assert_int_equal(end_of(1), WORKER_SIGNAL_RETIRE);
    assert_int_equal(waitpid(pool.pids[0], NULL, WNOHANG), 0);
    assert_int_equal(waitpid(pool.pids[2], NULL, WNOHANG), 0);
}

/* Of the workers that have a socket to no helper, the log says how many cannot be replaced now. */
static void test_mend_channel(void **state)
{
    (void)state;
    pool_free_slots(&pool);
    instance.section.values.max_workers = 1;
    instance.section.values.sessions_per_worker = 10;
    assert_int_equal(pool_make_slots(&pool), 0);
    assert_int_equal(pool.worker_count, 2);
    for (size_t i = 0; i < 2; i++)
        start_worker(i);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pool.request_fds), 0);
    pool_mend_channel(&pool);
    assert_int_equal(lines_about_tampering, 0);
    shutdown(pool.request_fds[0], SHUT_RDWR);
    pool_mend_channel(&pool);
    assert_int_equal(lines_about_tampering, 2);
    assert_int_equal(waitpid(pool.pids[0], NULL, WNOHANG), 0);
    for (size_t i = 0; i < 2; i++)
        close(pool.request_fds[i]);
}

/* Sessions beyond the limit of descriptors get no memory and do not count when the pool grows. */
static void test_no_coroutines(void **state)
{
    (void)state;
    pool_free_slots(&pool);
    instance.section.values.sessions_per_worker = 50;
    has_coroutines = false;
    assert_int_equal(pool_make_slots(&pool), 0);
    assert_int_equal(pool.places, 1);
    assert_int_equal(pool.worker_slots, 1);
    assert_int_equal(pool.worker_count, WORKERS);
}

/* It can neither be written nor read. */
static void test_no_worker_has_the_numbers(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    pid = fork();
    if (pid == 0)
        _exit(msync(pool.pids, sizeof(*pool.pids), MS_ASYNC) == -1 && errno == ENOMEM ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void poll_with_pace(unsigned polls, uint64_t *accepted, unsigned taken)
{
    for (unsigned i = 0; i < polls; i++) {
        *accepted += taken;
        pool_rest_follow(&pool, *accepted, 1);
        pool_rest_send(&pool);
    }
}

/* A few listen while sessions finish quickly. Too few are doubled, and the next try is later. */
static void test_rest(void **state)
{
    size_t few = 4 * cpu_idle_processors();
    uint64_t accepted = 16 * few;

    (void)state;
    pool_free_slots(&pool);
    instance.section.values.max_workers = (int64_t)(16 * few);
    assert_int_equal(pool_make_slots(&pool), 0);
    pool.alive = pool.workers_end = pool.worker_count;
    for (size_t i = 0; i < pool.worker_count; i++)
        atomic_store(&pool_worker_slot(&pool, i)->state, SCOREBOARD_BUSY);
    pool_rest_call_all(&pool);
    pool_rest_begin(&pool, accepted);
    poll_with_pace(100, &accepted, 0);
    assert_false(pool_rest_has_resting(&pool));
    /* Many, but the master had no turn for long. */
    accepted += 100 * few;
    pool_rest_follow(&pool, accepted, 10000);
    poll_with_pace(20, &accepted, 0);
    assert_false(pool_rest_has_resting(&pool));
    poll_with_pace(100, &accepted, (unsigned)few);
    assert_int_equal(atomic_load(&pool.scoreboard->listening_most), few);
    assert_false(pool_rest_is_lull(&pool, 2));
    assert_true(pool_rest_is_lull(&pool, 100));
    pool_rest_call_more(&pool);
    poll_with_pace(100, &accepted, (unsigned)few);
    assert_int_equal(atomic_load(&pool.scoreboard->listening_most), 2 * few);
}

static void set_states(enum scoreboard_state first, enum scoreboard_state second)
{
    pool.workers_end = 2;
    atomic_store(&pool_worker_slot(&pool, 0)->state, (int)first);
    atomic_store(&pool_worker_slot(&pool, 1)->state, (int)second);
}

static void test_recount(void **state)
{
    (void)state;
    set_states(SCOREBOARD_IDLE, SCOREBOARD_BUSY);
    atomic_store(&pool.scoreboard->idle, UINT64_MAX);
    pool_size_recount(&pool);
    assert_int_equal(scoreboard_idle(pool.scoreboard), 1);
    is_swapped = true;
    pool_size_recount(&pool);
    assert_int_equal(scoreboard_idle(pool.scoreboard), 1);
    assert_int_equal(scoreboard_add_idle(pool.scoreboard, -1), 1);
    assert_int_equal(scoreboard_add_idle(pool.scoreboard, -1), 0);
    assert_int_equal(scoreboard_add_idle(pool.scoreboard, 1), -1);
    assert_int_equal(scoreboard_idle(pool.scoreboard), 0);
    pool.workers_end = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_retire, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_stop, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_kill, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_refresh, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_reap, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_memory, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_refresh_of_many, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_mend_channel, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_no_coroutines, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_rest, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_recount, make_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_no_worker_has_the_numbers, make_pool, free_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
