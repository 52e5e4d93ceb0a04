/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Searches over tables: the order of tables and keys, the four results, equal questions asked once,
 * and what stands in for a table that fails. The tables are doubles that the test answers for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "route/router.h"

enum { ASKED_MAX = 32 };

/* A table "fake:NAME" keeps its questions until the test answers; "known:WORD" answers at once: with
 * the host WORD to the key "anna", not found to others. */
struct fake {
    struct route_table table;
    const char *name;
};

static struct {
    const struct fake *table;
    char key[64];
    char password[32];
    route_reply *reply;
    void *context;
} asked[ASKED_MAX];
static size_t asked_count;

static char results[1024]; /* "table key result host;" for each reply */

static int check_fake(const char *location, struct error *error)
{
    return location[0] == '!' ? error_set(error, "bad location") : 0;
}

static void close_fake(struct route_table *table)
{
    free(table);
}

static struct route_table *open_any(const struct route_table_ops *ops, const char *location)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    assert_non_null(fake);
    fake->table.ops = ops;
    fake->name = location;
    return &fake->table;
}

static void ask_fake(struct route_table *table, const struct route_question *question,
                     route_reply *reply, void *context)
{
    assert_true(asked_count < ASKED_MAX);
    asked[asked_count].table = (const struct fake *)table;
    asked[asked_count].reply = reply;
    asked[asked_count].context = context;
    snprintf(asked[asked_count].key, sizeof(asked[0].key), "%s", question->key);
    snprintf(asked[asked_count].password, sizeof(asked[0].password), "%s",
             question->password == NULL ? "-" : question->password);
    asked_count++;
}

static void ask_known(struct route_table *table, const struct route_question *question,
                      route_reply *reply, void *context)
{
    const struct fake *fake = (const struct fake *)table;

    if (strcmp(question->key, "anna") == 0)
        route_reply_value(reply, context, fake->name, strlen(fake->name));
    else
        route_reply_not_found(reply, context);
}

static struct route_table *open_fake(struct ev_loop *loop, const char *location,
                                     const struct route_environment *environment);
static struct route_table *open_known(struct ev_loop *loop, const char *location,
                                      const struct route_environment *environment);

static const struct route_table_ops fake_ops = {.scheme = "fake",
                                                .is_told_password = true,
                                                .check = check_fake,
                                                .open = open_fake,
                                                .ask = ask_fake,
                                                .close = close_fake};
static const struct route_table_ops known_ops = {.scheme = "known",
                                                 .check = check_fake,
                                                 .open = open_known,
                                                 .ask = ask_known,
                                                 .close = close_fake};
static const struct route_table_ops absent_ops = {.scheme = "absent", .package = "libabsent-dev"};

static struct route_table *open_fake(struct ev_loop *loop, const char *location,
                                     const struct route_environment *environment)
{
    (void)loop;
    (void)environment;
    return open_any(&fake_ops, location);
}

static struct route_table *open_known(struct ev_loop *loop, const char *location,
                                      const struct route_environment *environment)
{
    (void)loop;
    (void)environment;
    return open_any(&known_ops, location);
}

const struct route_table_ops *__wrap_route_table_find(const char *text, const char **location_r);
const struct route_table_ops *__wrap_route_table_find(const char *text, const char **location_r)
{
    static const struct route_table_ops *const all[] = {&fake_ops, &known_ops, &absent_ops};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t length = strlen(all[i]->scheme);
        if (strncmp(text, all[i]->scheme, length) == 0 && text[length] == ':') {
            *location_r = text + length + 1;
            return all[i];
        }
    }
    return NULL;
}

static void note_result(void *context, const struct router_result *result)
{
    const char *host = result->answer->fields[ROUTE_FIELD_HOST];
    size_t length = strlen(results);

    (void)context;
    snprintf(results + length, sizeof(results) - length, "%s %s %s%s %s;", result->table,
             result->key, route_result_word(result->answer->result),
             result->is_stale ? "(stale)" : "", host == NULL ? "-" : host);
}

static struct router_settings settings;

static struct router *new_router(const char *tables)
{
    settings = (struct router_settings){
        .tables = tables, .keys = "\\U, @\\d", .stale_ms = 3600 * 1000};
    asked_count = 0;
    results[0] = '\0';
    return router_new(NULL, &settings);
}

static void search_for(struct router *router, const char *login)
{
    struct router_request request = {.parts = {.login = login,
                                               .delimiters = "@",
                                               .client = "192.0.2.1",
                                               .client_port = "4711",
                                               .local = "",
                                               .local_port = ""},
                                     .session = "s1",
                                     .password = "secret",
                                     .attempt = 1};

    router_ask(router, &request, note_result, NULL);
}

static void answer_value(size_t i, const char *value)
{
    route_reply_value(asked[i].reply, asked[i].context, value, strlen(value));
}

static void answer_not_found(size_t i)
{
    route_reply_not_found(asked[i].reply, asked[i].context);
}

static void answer_failed(size_t i)
{
    route_reply_failed(asked[i].reply, asked[i].context, "broken");
}

static void assert_asked(size_t i, const char *table, const char *key)
{
    assert_true(i < asked_count);
    assert_string_equal(asked[i].table->name, table);
    assert_string_equal(asked[i].key, key);
}

static void test_tables_are_the_outer_loop(void **state)
{
    struct router *router = new_router("fake:a, fake:b");

    (void)state;
    search_for(router, "Anna@Example.net");
    assert_asked(0, "a", "anna@example.net");
    answer_not_found(0);
    assert_asked(1, "a", "@example.net");
    answer_not_found(1);
    assert_asked(2, "b", "anna@example.net");
    answer_not_found(2);
    assert_asked(3, "b", "@example.net");
    assert_int_equal(router_running(router), 1);
    answer_value(3, "store");
    assert_string_equal(results, "fake:b @example.net found store;");
    assert_int_equal(router_running(router), 0);
    router_free(router);
}

static void test_nobody_knows(void **state)
{
    struct router *router = new_router("known:a, known:b");

    (void)state;
    search_for(router, "bert");
    assert_string_equal(results, "  not-found -;");
    router_free(router);
}

static void test_first_that_knows_answers_at_once(void **state)
{
    struct router *router = new_router("known:a,known:b");

    (void)state;
    search_for(router, "anna");
    assert_string_equal(results, "known:a anna found a;");
    router_free(router);
}

static void test_refusal_and_failure_end_the_search(void **state)
{
    struct router *router = new_router("fake:a, known:b");

    (void)state;
    search_for(router, "anna");
    answer_value(0, "reject moved");
    search_for(router, "anna");
    answer_failed(1);
    search_for(router, "anna");
    answer_value(2, "host= x");
    assert_int_equal(asked_count, 3);
    assert_string_equal(results, "fake:a anna refused -;fake:a anna failed -;fake:a anna failed -;");
    router_free(router);
}

static bool has_no_group(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return false;
}

static void test_unknown_group_fails(void **state)
{
    struct router *router = new_router("fake:a");

    (void)state;
    settings.environment.has_group = has_no_group;
    search_for(router, "anna");
    answer_value(0, "group:stores");
    assert_string_equal(results, "fake:a anna failed -;");
    router_free(router);
}

static void test_key_that_cannot_be_made_is_skipped(void **state)
{
    struct router *router = new_router("fake:a");

    (void)state;
    search_for(router, "anna");
    answer_not_found(0);
    assert_int_equal(asked_count, 1);
    assert_string_equal(results, "  not-found -;");
    router_free(router);
}

static void test_equal_questions_are_asked_once(void **state)
{
    struct router *router = new_router("fake:a");

    (void)state;
    search_for(router, "anna");
    search_for(router, "anna");
    search_for(router, "bert");
    search_for(router, "ANNA");
    assert_int_equal(asked_count, 2);
    answer_value(0, "store");
    assert_string_equal(results, "fake:a anna found store;fake:a anna found store;"
                                 "fake:a anna found store;");
    answer_value(1, "other");
    assert_int_equal(router_running(router), 0);
    router_free(router);
}

static void test_all_who_wait_go_on(void **state)
{
    struct router *router = new_router("fake:a, fake:b");

    (void)state;
    search_for(router, "anna");
    search_for(router, "anna");
    answer_not_found(0);
    assert_int_equal(asked_count, 2);
    assert_asked(1, "b", "anna");
    answer_value(1, "store");
    assert_string_equal(results, "fake:b anna found store;fake:b anna found store;");
    router_free(router);
}

static void test_password_is_told_only_where_allowed(void **state)
{
    struct router *router = new_router("fake:a");

    (void)state;
    search_for(router, "anna");
    assert_string_equal(asked[0].password, "-");
    answer_not_found(0);
    settings.is_password_told = true;
    search_for(router, "anna");
    search_for(router, "anna");
    assert_int_equal(asked_count, 3); /* each of them is a decision of its own */
    assert_string_equal(asked[1].password, "secret");
    answer_not_found(1);
    answer_not_found(2);
    router_free(router);
}

static void test_stale_answer_stands_in(void **state)
{
    struct router *router = new_router("fake:a");

    (void)state;
    search_for(router, "anna");
    answer_value(0, "store");
    search_for(router, "anna");
    answer_failed(1);
    assert_string_equal(results, "fake:a anna found store;fake:a anna found(stale) store;");
    /* "Not found" never stands in: it would lead to the default server. */
    search_for(router, "anna");
    answer_not_found(2);
    results[0] = '\0';
    search_for(router, "anna");
    answer_failed(3);
    search_for(router, "bert");
    answer_failed(4);
    assert_string_equal(results, "fake:a anna failed -;fake:a bert failed -;");
    router_free(router);
}

static void test_nothing_told_with_a_password_is_kept(void **state)
{
    struct router *router = new_router("fake:a");

    (void)state;
    settings.is_password_told = true;
    search_for(router, "anna");
    answer_value(0, "store");
    results[0] = '\0';
    search_for(router, "anna");
    answer_failed(1);
    assert_string_equal(results, "fake:a anna failed -;");
    router_free(router);
}

static void test_stale_can_be_off(void **state)
{
    struct router *router = new_router("fake:a");

    (void)state;
    settings.stale_ms = 0;
    search_for(router, "anna");
    answer_value(0, "store");
    results[0] = '\0';
    search_for(router, "anna");
    answer_failed(1);
    assert_string_equal(results, "fake:a anna failed -;");
    router_free(router);
}

static void test_checks(void **state)
{
    struct error error = {.text = ""};

    (void)state;
    assert_int_equal(router_check_tables("known:a, fake:b", &error), 0);
    assert_int_equal(router_check_tables("known:a, other:b", &error), -1);
    assert_non_null(strstr(error.text, "other:b: unknown kind of table"));
    assert_int_equal(router_check_tables("absent:a", &error), -1);
    assert_non_null(strstr(error.text, "build with libabsent-dev"));
    assert_int_equal(router_check_tables("fake:!", &error), -1);
    assert_string_equal(error.text, "bad location");
    assert_int_equal(router_check_tables("known:a, fake:!", &error), -1);
    assert_string_equal(error.text, "fake:!: bad location");
    assert_int_equal(router_check_tables("", &error), -1);
    assert_int_equal(router_check_keys("\\U, @\\d", &error), 0);
    assert_int_equal(router_check_keys("\\U,", &error), -1);
    assert_int_equal(router_check_keys("\\x", &error), -1);
    assert_int_equal(router_check_keys("a,b,c,d,e,f,g,h,i", &error), -1);
}

static int silence_log(void **state)
{
    struct error error;

    (void)state;
    return log_open("/dev/null", &error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_the_outer_loop),
        cmocka_unit_test(test_nobody_knows),
        cmocka_unit_test(test_first_that_knows_answers_at_once),
        cmocka_unit_test(test_refusal_and_failure_end_the_search),
        cmocka_unit_test(test_unknown_group_fails),
        cmocka_unit_test(test_key_that_cannot_be_made_is_skipped),
        cmocka_unit_test(test_equal_questions_are_asked_once),
        cmocka_unit_test(test_all_who_wait_go_on),
        cmocka_unit_test(test_password_is_told_only_where_allowed),
        cmocka_unit_test(test_stale_answer_stands_in),
        cmocka_unit_test(test_nothing_told_with_a_password_is_kept),
        cmocka_unit_test(test_stale_can_be_off),
        cmocka_unit_test(test_checks),
    };

    return cmocka_run_group_tests_name("router", tests, silence_log, NULL);
}
