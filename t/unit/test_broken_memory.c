/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master over shared memory that a broken worker has filled with random words: slots, counts,
 * totals and the account table. It reaps, steers the pool, makes room, refreshes, retires and shows
 * the status, in every form. None of that may crash, read outside the memory or never end; a build
 * with sanitizers also sees numbers that overflow.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/shared.h"
#include "pool/pool.h"
#include "pool/pool_rest.h"
#include "pool/pool_room.h"
#include "pool/pool_size.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"
#include "status/status_render.h"
#include "status/status_view.h"

enum { WORKERS = 6, PLACES = 5, SEEDS = 5, ROUNDS = 40, ACCOUNTS_BYTES = 65536 * 16 };

static char name[] = "one";
static char listen_text[] = "127.0.0.1:110";
static struct conf_instance instance;
static struct instance_memory memory;
static struct generation generation;
static struct pool pool;
static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Small numbers, negative ones and the ends of the range are as likely as any others. */
static uint64_t random_word(void)
{
    static const uint64_t ends[] = {0,
                                    1,
                                    7,
                                    UINT64_MAX,
                                    INT64_MAX,
                                    (uint64_t)INT64_MIN,
                                    0x7fffffff7fffffff,
                                    0x8000000080000000};
    uint64_t word = next_random();

    switch (next_random() % 3) {
    case 0:
        return ends[word % (sizeof(ends) / sizeof(ends[0]))];
    case 1:
        return word % 16 << 32 | word >> 32 % 16;
    default:
        return word;
    }
}

static void fill(void *memory_, size_t bytes)
{
    uint64_t *words = memory_;

    for (size_t i = 0; i < bytes / sizeof(*words); i++)
        words[i] = random_word();
}

/* In half of the slots the numbers that decide whether others are read are such that they are. */
static void make_readable(struct scoreboard_slot *slot)
{
    if (next_random() % 2 == 0)
        return;
    atomic_store(&slot->state, SCOREBOARD_BUSY);
    if (next_random() % 2 == 0)
        atomic_store(&slot->slots_used, PLACES);
    seqlock_end_write(&slot->texts_lock);
    if (atomic_load(&slot->texts_lock.count) % 2 != 0)
        seqlock_end_write(&slot->texts_lock);
}

static void fill_all(void)
{
    fill(pool.scoreboard,
         sizeof(*pool.scoreboard) + pool_slot_count(&pool) * sizeof(struct scoreboard_slot));
    fill(memory.totals, sizeof(*memory.totals));
    fill(memory.accounts, ACCOUNTS_BYTES);
    fill(memory.sessions, ACCOUNTS_BYTES);
    for (size_t i = 0; i < pool_slot_count(&pool); i++)
        make_readable(&pool.scoreboard->slots[i]);
}

static void make_pool(size_t places)
{
    instance =
        (struct conf_instance){.section = {.name = name}, .values = &instance.section.values};
    instance.section.values.max_workers = WORKERS;
    instance.section.values.workers = WORKERS;
    instance.section.values.sessions_per_worker = (int64_t)places;
    instance.section.values.listen = listen_text;
    memory = (struct instance_memory){.accounts = account_table_new(),
                                      .sessions = account_table_new(),
                                      .totals = shared_new(sizeof(*memory.totals))};
    pool = (struct pool){.instance = &instance,
                         .generation = &generation,
                         .memory = &memory,
                         .request_fds = {-1, -1},
                         .state = POOL_RETIRING};
    pool_size_init(&pool);
    assert_non_null(memory.accounts);
    assert_non_null(memory.totals);
    assert_int_equal(pool_make_slots(&pool), 0);
}

static void free_pool(void)
{
    pool_size_stop(&pool);
    pool_free_slots(&pool);
    account_table_free(memory.accounts);
    shared_free(memory.totals, sizeof(*memory.totals));
}

/* A child that waits for a signal stands for the worker. */
static void start_worker(size_t index)
{
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    pool.pids[index] = pid;
    pool.alive++;
    if (pool.workers_end <= index)
        pool.workers_end = index + 1;
}

static void show(void (*form)(const struct status_view *view, FILE *out),
                 const struct status_view *view)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    form(view, out);
    fclose(out);
    free(text);
}

/* As `top` does. */
static void show_live(const struct status_view *view, const struct status_view *before)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    status_render_live(view, before, STATUS_TABLES_ALL, out);
    fclose(out);
    free(text);
}

static void show_all(void)
{
    struct status_view view;

    static const struct status_reload reload;
    struct status_view before;

    assert_int_equal(status_view_take(&before, &pool, 0, &reload), 0);
    fill_all();
    assert_int_equal(status_view_take(&view, &pool, 0, &reload), 0);
    assert_in_range(view.session_count, 0, pool_slot_count(&pool));
    status_view_sort(&view, STATUS_BY_OCTETS);
    status_view_sort(&view, STATUS_BY_AGE);
    show(status_render_table, &view);
    show(status_render_json, &view);
    show(status_render_metrics, &view);
    show(status_view_write, &view);
    show_live(&view, &before);
    status_view_free(&before);
    status_view_free(&view);
}

static void steer(void)
{
    (void)pool_make_room(&pool, 1 + next_random() % 100000);
    (void)pool_count_acceptors(&pool);
    pool_size_recount(&pool);
    pool_rest_follow(&pool, next_random(), 1 + (double)(next_random() % 100));
    pool_rest_send(&pool);
    (void)pool_rest_is_lull(&pool, 1);
    pool_rest_call_more(&pool);
    pool_rest_call_all(&pool);
    /* What the workers go by is the master's number again. */
    assert_int_equal(pool.rest.listening_most, pool.worker_count);
    assert_int_equal(atomic_load(&pool.scoreboard->listening_most), pool.worker_count);
    fill_all();
    pool_rest_restore(&pool);
    assert_int_equal(atomic_load(&pool.scoreboard->listening_most), pool.worker_count);
}

static void use_accounts(void)
{
    uint64_t key = next_random();
    int64_t now_ms = clock_now_ms();
    int limit = 1 + (int)(next_random() % 1000);

    (void)account_is_locked(memory.accounts, key, limit, now_ms);
    if (account_take_place(memory.accounts, key, limit, now_ms) == ACCOUNT_GRANTED) {
        if (account_begin_attempt(memory.accounts, key, limit, now_ms) == ACCOUNT_GRANTED)
            account_end_attempt(memory.accounts, key, true, now_ms);
        account_give_place_back(memory.accounts, key);
    }
}

static void reap_all(void)
{
    for (size_t i = 0; i < WORKERS; i++) {
        pid_t pid = pool.pids[i];
        int status;

        if (pid == 0)
            continue;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        fill_all();
        assert_true(pool_reap(&pool, pid, status));
    }
    assert_true(pool_is_empty(&pool));
}

static void go_through(size_t places)
{
    for (uint64_t number = 1; number <= SEEDS; number++) {
        seed = number * UINT64_C(0x9e3779b97f4a7c15);
        make_pool(places);
        for (size_t i = 0; i < WORKERS; i++)
            start_worker(i);
        for (int i = 0; i < ROUNDS; i++) {
            fill_all();
            steer();
            use_accounts();
            show_all();
        }
        reap_all();
        free_pool();
    }
}

static void test_one_session_a_worker(void **state)
{
    (void)state;
    go_through(1);
}

static void test_many_sessions_a_worker(void **state)
{
    (void)state;
    go_through(PLACES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_session_a_worker),
        cmocka_unit_test(test_many_sessions_a_worker),
    };

    signal(SIGUSR2, SIG_IGN); /* children take it over: a session that is shed */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
