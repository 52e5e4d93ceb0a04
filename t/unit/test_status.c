/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The status over shared memory that a broken worker has filled with anything: each form of it
 * stays a valid table, JSON or metrics. The compact form comes back as it was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool/pool_slots.h"
#include "status/status_render.h"
#include "status/status_view.h"

enum { SLOTS = 4 };

static struct scoreboard_totals totals;
static struct instance_memory memory = {.name = NULL, .totals = &totals};
static char name[] = "one";
static char listen_text[] = "/run/a path\n\"with\"";
static struct conf_instance instance = {
    .section = {.name = name,
                .values = {.listen = listen_text, .max_workers = SLOTS, .sessions_per_worker = 1}},
    .values = &instance.section.values};
static struct generation generation = {.number = 3};
static struct pool pool = {
    .instance = &instance, .generation = &generation, .memory = &memory, .master_pid = 77};

static const struct status_reload reload = {
    .loaded_at = 5, .failed_at = 7, .why = "conf:3: \"words\" and a blank"};

typedef void render(const struct status_view *view, FILE *out);

static char *text_of(render *how, const struct status_view *view)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    how(view, out);
    fclose(out);
    assert_int_equal(strlen(text), length); /* no NUL in between */
    return text;
}

static size_t count(const char *text, char octet)
{
    size_t sum = 0;

    for (; *text != '\0'; text++)
        sum += *text == octet;
    return sum;
}

static void busy(struct scoreboard_slot *slot, int pid, int filler)
{
    memset(&slot->texts, filler, sizeof(slot->texts)); /* without a NUL */
    atomic_store(&slot->pid, pid);
    atomic_store(&slot->state, SCOREBOARD_BUSY);
    atomic_store(&slot->session, 1);
    atomic_store(&slot->stage, 1000000);
    atomic_store(&slot->octets, UINT64_MAX);
    atomic_store(&slot->started_ms, INT64_MAX);
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pool_make_slots(&pool), 0);
    busy(&pool.scoreboard->slots[0], 10, '\n');
    busy(&pool.scoreboard->slots[1], 11, '"');
    busy(&pool.scoreboard->slots[2], 12, '\x9b');
    atomic_store(&pool.scoreboard->slots[3].pid, 13);
    atomic_store(&pool.scoreboard->slots[3].state, 12345);
    atomic_store(&totals.octets, UINT64_MAX);
    /* It says there are more workers than there can be. */
    atomic_store(&pool.scoreboard->workers_end, SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_free_slots(&pool);
    return 0;
}

static void assert_printable(const char *text)
{
    for (; *text != '\0'; text++)
        assert_true(*text == '\n' || (*text >= 0x20 && *text < 0x7f));
}

static void test_table(void **state)
{
    struct status_view view;
    char *text;

    (void)state;
    assert_int_equal(status_view_take(&view, &pool, 0, &reload), 0);
    assert_int_equal(view.session_count, 3);
    text = text_of(status_render_table, &view);
    assert_printable(text);
    /* head 2, reload 2, pools 3, totals 3, reasons 2, sessions 4, sandbox 2 */
    assert_int_equal(count(text, '\n'), 18);
    free(text);
    status_view_free(&view);
}

static void test_json(void **state)
{
    struct status_view view;
    char *text;
    const char *quoted;

    (void)state;
    assert_int_equal(status_view_take(&view, &pool, 0, &reload), 0);
    text = text_of(status_render_json, &view);
    assert_printable(text);
    /* Each of the second session's four texts is full of quotes, all of them escaped; so are the
     * two of `listen` and the two of the reload. */
    quoted = strstr(text, "\"user\":\"\\\"\\\"");
    assert_non_null(quoted);
    assert_int_equal(count(text, '\\'), 31 + 3 * 63 + 2 + 2);
    free(text);
    status_view_free(&view);
}

static void test_metrics(void **state)
{
    struct status_view view;
    char *text;

    (void)state;
    assert_int_equal(status_view_take(&view, &pool, 0, &reload), 0);
    text = text_of(status_render_metrics, &view);
    assert_printable(text);
    assert_non_null(strstr(text, "pop3_proxy_workers_busy{instance=\"one\"} 3\n"));
    assert_non_null(strstr(text, "pop3_proxy_reply_octets_total{instance=\"one\"} "
                                 "18446744073709551615\n"));
    free(text);
    status_view_free(&view);
}

static void test_compact_form(void **state)
{
    struct status_view view;
    struct status_view back;
    char *text;
    char *again;
    FILE *in;

    (void)state;
    assert_int_equal(status_view_take(&view, &pool, 0, &reload), 0);
    text = text_of(status_view_write, &view);
    in = fmemopen(text, strlen(text), "r");
    assert_int_equal(status_view_read(&back, in), 0);
    fclose(in);
    again = text_of(status_view_write, &back);
    assert_string_equal(text, again);
    assert_string_equal(back.reload.why, reload.why);
    free(again);
    status_view_free(&back);
    /* Cut anywhere it is refused. */
    for (size_t length = 1; length < strlen(text); length++) {
        in = fmemopen(text, length, "r");
        assert_int_equal(status_view_read(&back, in), -1);
        status_view_free(&back);
        fclose(in);
    }
    free(text);
    status_view_free(&view);
}

static void test_order(void **state)
{
    struct status_view view;

    (void)state;
    atomic_store(&pool.scoreboard->slots[0].started_ms, 2);
    atomic_store(&pool.scoreboard->slots[1].started_ms, 1);
    atomic_store(&pool.scoreboard->slots[2].octets, 1);
    assert_int_equal(status_view_take(&view, &pool, 0, &reload), 0);
    status_view_sort(&view, STATUS_BY_AGE);
    assert_int_equal(view.sessions[0].pid, 11);
    assert_int_equal(view.sessions[1].pid, 10);
    assert_int_equal(view.sessions[2].pid, 12);
    status_view_sort(&view, STATUS_BY_OCTETS);
    assert_int_equal(view.sessions[2].pid, 12);
    status_view_free(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compact_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
