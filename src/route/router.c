/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Searches over tables. Equal questions under way are asked once: a thousand logins of one user, or
 * of one domain, cost a slow table one question. A table that is told the password is asked for each
 * login.
 */
#include "route/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "route/route_stale.h"

enum { LOG_PAUSE_MS = 1000, TEXT_SIZE = 512 };

/* One login that is searched for. Its texts lie behind it in one block, wiped as a whole. */
struct search {
    struct search *next; /* of those that wait for the same question */
    struct router *router;
    router_reply *reply;
    void *context;
    struct route_question question; /* its key is that of the current question */
    const char *keys[ROUTER_KEYS_MAX]; /* NULL: cannot be made of this login */
    size_t table;
    size_t key;
    size_t size; /* of the block */
    char texts[];
};

/* One question to one table. */
struct inquiry {
    struct inquiry *next;
    struct router *router;
    struct search *waiting;
    size_t table;
    const char *key; /* of the first that waits */
    int64_t asked_us;
    bool is_asking;  /* ask() has not returned yet */
    bool is_answered;
};

struct named_table {
    const struct route_table_ops *ops;
    struct route_table *table;
    char *name;
    char *location;
    int64_t logged_ms;       /* when a failure was logged last */
    unsigned unlogged;       /* failures since then */
    bool has_unknown_logged; /* a field that we do not know */
};

struct router {
    const struct router_settings *settings;
    struct named_table tables[ROUTER_TABLES_MAX];
    size_t table_count;
    struct inquiry *inquiries;
    struct route_stale *stale;
    size_t running;
};

/* ---- lists of the configuration ---- */

int router_check_keys(const char *keys, struct error *error)
{
    struct list_entry key;
    size_t count = 0;

    while (list_next(&keys, &key)) {
        if (route_key_check(key.text, key.length, error) == -1)
            return -1;
        if (++count > ROUTER_KEYS_MAX)
            return error_set(error, "more than %d keys", ROUTER_KEYS_MAX);
    }
    return 0;
}

/* A message names the table only among others: the caller shows the value. */
static int refuse_table(const char *tables, const char *name, const char *why, struct error *error)
{
    if (strcmp(tables, name) == 0)
        return error_set(error, "%s", why);
    return error_set(error, "%.100s: %s", name, why);
}

static int check_table(const char *tables, const char *name, struct error *error)
{
    const char *location;
    const struct route_table_ops *ops = route_table_find(name, &location);
    struct error what;

    if (ops == NULL)
        error_set(&what, "unknown kind of table; expected one of %s", route_table_schemes());
    else if (ops->package != NULL)
        error_set(&what, "not built in; build with %s", ops->package);
    else if (ops->check(location, &what) == 0)
        return 0;
    return refuse_table(tables, name, what.text, error);
}

/* Calls `take` with the name of every table, until it returns -1. */
static int for_each_table(const char *tables, int (*take)(void *context, const char *name),
                          void *context)
{
    struct list_entry table;
    int result = 0;

    while (result == 0 && list_next(&tables, &table)) {
        char *name = strndup(table.text, table.length);
        result = name == NULL ? -1 : take(context, name);
        free(name);
    }
    return result;
}

struct table_check {
    const char *tables;
    struct error *error;
    size_t count;
};

static int check_next(void *context, const char *name)
{
    struct table_check *check = context;

    if (++check->count > ROUTER_TABLES_MAX)
        return error_set(check->error, "more than %d tables", ROUTER_TABLES_MAX);
    return check_table(check->tables, name, check->error);
}

int router_check_tables(const char *tables, struct error *error)
{
    struct table_check check = {.tables = tables, .error = error};

    error_set(error, "out of memory");
    return for_each_table(tables, check_next, &check);
}

struct trial {
    const struct route_environment *environment;
    route_warning *tell;
    void *context;
    bool is_thorough;
};

static int try_next(void *context, const char *name)
{
    struct trial *trial = context;
    const char *location;
    const struct route_table_ops *ops = route_table_find(name, &location);
    struct error error;

    if (ops != NULL && ops->try != NULL &&
        ops->try(location, trial->environment, &error) == -1)
        trial->tell(trial->context, error.text);
    return 0;
}

void router_try_tables(const char *tables, const struct route_environment *environment,
                       route_warning *mistake, void *context)
{
    struct trial trial = {.environment = environment, .tell = mistake, .context = context};

    (void)for_each_table(tables, try_next, &trial);
}

static int warn_next(void *context, const char *name)
{
    struct trial *trial = context;
    const char *location;
    const struct route_table_ops *ops = route_table_find(name, &location);

    if (ops != NULL && ops->warn != NULL)
        ops->warn(location, trial->tell, trial->context);
    if (ops != NULL && ops->inspect != NULL && trial->is_thorough)
        ops->inspect(location, trial->tell, trial->context);
    return 0;
}

void router_warn_of_tables(const char *tables, bool is_thorough, route_warning *warn, void *context)
{
    struct trial trial = {.tell = warn, .context = context, .is_thorough = is_thorough};

    (void)for_each_table(tables, warn_next, &trial);
}

/* ---- opening and closing ---- */

struct opening {
    struct router *router;
    struct ev_loop *loop;
};

static int open_next(void *context, const char *name)
{
    struct opening *opening = context;
    struct router *router = opening->router;
    struct named_table *table = &router->tables[router->table_count];
    const char *location;

    table->ops = route_table_find(name, &location);
    if (table->ops == NULL || table->ops->open == NULL ||
        router->table_count == ROUTER_TABLES_MAX)
        return -1;
    router->table_count++;
    table->name = strdup(name);
    table->location = strdup(location);
    table->logged_ms = CLOCK_PASSED;
    if (table->name == NULL || table->location == NULL)
        return -1;
    table->table =
        table->ops->open(opening->loop, table->location, &router->settings->environment);
    return table->table == NULL ? -1 : 0;
}

struct router *router_new(struct ev_loop *loop, const struct router_settings *settings)
{
    struct router *router = calloc(1, sizeof(*router));
    struct opening opening = {.router = router, .loop = loop};

    if (router == NULL)
        return NULL;
    router->settings = settings;
    router->stale = route_stale_new();
    if (router->stale == NULL || for_each_table(settings->tables, open_next, &opening) == -1) {
        router_free(router);
        return NULL;
    }
    return router;
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    for (size_t i = 0; i < router->table_count; i++) {
        if (router->tables[i].table != NULL)
            router->tables[i].ops->close(router->tables[i].table);
        free(router->tables[i].name);
        free(router->tables[i].location);
    }
    route_stale_free(router->stale);
    free(router);
}

size_t router_running(const struct router *router)
{
    return router->running;
}

/* ---- one search ---- */

static const char *keep_text(struct search *search, size_t *used, const char *text)
{
    char *kept = search->texts + *used;

    if (text == NULL)
        return NULL;
    *used += strlen(text) + 1;
    return memcpy(kept, text, strlen(text) + 1);
}

static size_t text_size(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

/* The keys that can be made of this login, in order. Returns the octets that they take. */
static size_t make_keys(const struct router_settings *settings,
                        const struct route_key_parts *parts,
                        char keys[ROUTER_KEYS_MAX][ROUTE_KEY_SIZE])
{
    const char *templates = settings->keys;
    struct list_entry key;
    size_t size = 0;

    for (size_t i = 0; i < ROUTER_KEYS_MAX; i++) {
        if (list_next(&templates, &key) && route_key_make(key.text, key.length, parts, keys[i]))
            size += strlen(keys[i]) + 1;
        else
            keys[i][0] = '\0';
    }
    return size;
}

static struct search *new_search(struct router *router, const struct router_request *request)
{
    char keys[ROUTER_KEYS_MAX][ROUTE_KEY_SIZE];
    size_t size = make_keys(router->settings, &request->parts, keys) +
                  text_size(request->session) + text_size(request->parts.login) +
                  text_size(request->password) + text_size(request->parts.client) +
                  text_size(request->parts.client_port);
    struct search *search = malloc(sizeof(*search) + size);
    size_t used = 0;

    if (search == NULL)
        return NULL;
    *search = (struct search){.router = router, .size = size};
    for (size_t i = 0; i < ROUTER_KEYS_MAX; i++)
        if (keys[i][0] != '\0')
            search->keys[i] = keep_text(search, &used, keys[i]);
    search->question = (struct route_question){
        .session = keep_text(search, &used, request->session),
        .login = keep_text(search, &used, request->parts.login),
        .password = keep_text(search, &used, request->password),
        .client = keep_text(search, &used, request->parts.client),
        .client_port = keep_text(search, &used, request->parts.client_port),
        .attempt = request->attempt,
        .is_tls = request->is_tls,
    };
    return search;
}

static void finish(struct search *search, struct route_answer *answer, bool is_stale)
{
    struct router *router = search->router;
    struct router_result result = {
        .answer = answer,
        .table = search->table < router->table_count ? router->tables[search->table].name : "",
        .key = search->question.key,
        .is_stale = is_stale,
    };

    router->running--;
    search->reply(search->context, &result);
    explicit_bzero(search->texts, search->size);
    free(search);
}

/* No table knows the user. */
static void finish_not_found(struct search *search)
{
    struct route_answer answer;

    route_answer_init(&answer, ROUTE_NOT_FOUND);
    search->question.key = "";
    finish(search, &answer, false);
}

/* ---- the answers of tables ---- */

/* At most one line a second for each table, with the count of those that were not written. */
static void log_failure(struct named_table *table, const struct search *search, const char *why)
{
    int64_t now_ms = clock_now_ms();
    struct log_line line;

    if (now_ms < table->logged_ms + LOG_PAUSE_MS && table->logged_ms != CLOCK_PASSED) {
        table->unlogged++;
        return;
    }
    log_begin(&line, EVENT_ROUTE_FAILED);
    log_add(&line, "session", search->question.session);
    log_add(&line, "table", table->name);
    log_add(&line, "key", search->question.key);
    log_add_words(&line, "error", why, search->question.login, search->question.client);
    if (table->unlogged > 0)
        log_add_number(&line, "more", table->unlogged);
    log_end(&line);
    table->logged_ms = now_ms;
    table->unlogged = 0;
}

static void log_unknown_field(struct named_table *table, const struct route_answer *answer)
{
    struct log_line line;

    if (answer->unknown == NULL || table->has_unknown_logged)
        return;
    table->has_unknown_logged = true;
    log_begin(&line, EVENT_ROUTE_FIELD_IGNORED);
    log_add(&line, "table", table->name);
    log_add(&line, "field", answer->unknown);
    log_end(&line);
}

static bool is_told_password(const struct router *router, size_t table)
{
    return router->settings->is_password_told && router->tables[table].ops->is_told_password;
}

/* What later logins fall back on, if this table fails then. */
static void remember(struct router *router, const struct inquiry *inquiry,
                     const struct route_answer *answer)
{
    if (router->settings->stale_ms == 0 || is_told_password(router, inquiry->table))
        return;
    if (answer->result == ROUTE_FOUND)
        route_stale_keep(router->stale, inquiry->table, inquiry->key, answer, clock_now_ms());
    else if (answer->result == ROUTE_NOT_FOUND)
        route_stale_forget(router->stale, inquiry->table, inquiry->key);
}

/* Ends everybody's search with the answer that decides. */
static void decide(struct router *router, struct inquiry *inquiry, struct route_answer *answer,
                   const char *why)
{
    struct named_table *table = &router->tables[inquiry->table];
    struct search *search = inquiry->waiting;
    bool is_stale = false;

    if (answer->result == ROUTE_FAILED) {
        log_failure(table, search, why);
        is_stale = route_stale_find(router->stale, inquiry->table, inquiry->key, clock_now_ms(),
                                    router->settings->stale_ms, answer);
    }
    log_unknown_field(table, answer);
    while (search != NULL) {
        struct search *next = search->next;
        finish(search, answer, is_stale);
        search = next;
    }
}

/* Nobody joins it any more. */
static void unlink_inquiry(struct inquiry *inquiry)
{
    struct inquiry **link = &inquiry->router->inquiries;

    while (*link != inquiry)
        link = &(*link)->next;
    *link = inquiry->next;
}

static void search_on(struct search *search);

/* All who have waited go on with their next key. */
static void resume(struct search *search)
{
    while (search != NULL) {
        struct search *next = search->next;
        search->key++;
        search_on(search);
        search = next;
    }
}

/* The answer names a group that is not configured. */
static bool is_lost(const struct router *router, const struct route_answer *answer)
{
    const struct route_environment *environment = &router->settings->environment;
    const char *group = answer->fields[ROUTE_FIELD_GROUP];

    return answer->result == ROUTE_FOUND && group != NULL && environment->has_group != NULL &&
           !environment->has_group(environment->context, group);
}

static void count(const struct router *router, size_t table, enum route_result result)
{
    struct route_counts *const *counts = router->settings->counts;

    if (counts != NULL && counts[table] != NULL && result < ROUTE_RESULT_COUNT)
        atomic_fetch_add_explicit(&counts[table]->results[result], 1, memory_order_relaxed);
}

static void trace(const struct router *router, const struct inquiry *inquiry,
                  const struct route_answer *answer, const char *why)
{
    const struct router_settings *settings = router->settings;

    if (settings->trace != NULL)
        settings->trace(settings->trace_context, router->tables[inquiry->table].name, inquiry->key,
                        answer, why, clock_now_us() - inquiry->asked_us);
}

static void on_reply(void *context, struct route_answer *answer, const char *why)
{
    struct inquiry *inquiry = context;
    struct router *router = inquiry->router;

    if (is_lost(router, answer)) {
        route_answer_init(answer, ROUTE_FAILED);
        why = "the answer names a group that is not configured";
    }
    unlink_inquiry(inquiry);
    count(router, inquiry->table, answer->result);
    trace(router, inquiry, answer, why);
    remember(router, inquiry, answer);
    inquiry->is_answered = true;
    if (answer->result != ROUTE_NOT_FOUND) {
        decide(router, inquiry, answer, why);
        inquiry->waiting = NULL;
    }
    if (inquiry->is_asking)
        return; /* ask() goes on, so that searches do not call themselves for every key */
    resume(inquiry->waiting);
    free(inquiry);
}

/* ---- asking ---- */

/* Moves to the next key that this login has. False when no table is left. */
static bool find_question(struct search *search)
{
    for (; search->table < search->router->table_count; search->table++, search->key = 0)
        for (; search->key < ROUTER_KEYS_MAX; search->key++)
            if (search->keys[search->key] != NULL) {
                search->question.key = search->keys[search->key];
                return true;
            }
    return false;
}

/* Waits for the answer to the same question if it has been asked. */
static bool join(struct search *search)
{
    struct inquiry *inquiry = search->router->inquiries;

    if (is_told_password(search->router, search->table))
        return false;
    while (inquiry != NULL && (inquiry->table != search->table ||
                               strcmp(inquiry->key, search->question.key) != 0))
        inquiry = inquiry->next;
    if (inquiry == NULL)
        return false;
    search->next = inquiry->waiting->next;
    inquiry->waiting->next = search;
    return true;
}

/* Asks the current question. Returns whether the search goes on at once: the table has answered that
 * it does not know the key. */
static bool ask(struct search *search)
{
    struct router *router = search->router;
    struct named_table *table = &router->tables[search->table];
    struct route_question question = search->question;
    struct inquiry *inquiry = malloc(sizeof(*inquiry));
    bool is_not_found;

    if (inquiry == NULL) {
        struct route_answer answer;
        route_answer_init(&answer, ROUTE_FAILED);
        finish(search, &answer, false);
        return false;
    }
    search->next = NULL;
    *inquiry = (struct inquiry){.next = router->inquiries,
                                .router = router,
                                .waiting = search,
                                .table = search->table,
                                .key = search->question.key,
                                .asked_us = router->settings->trace == NULL ? 0 : clock_now_us(),
                                .is_asking = true};
    router->inquiries = inquiry;
    if (!is_told_password(router, search->table))
        question.password = NULL;
    table->ops->ask(table->table, &question, on_reply, inquiry);
    inquiry->is_asking = false;
    is_not_found = inquiry->is_answered && inquiry->waiting != NULL;
    if (inquiry->is_answered)
        free(inquiry);
    return is_not_found;
}

/* Goes on until a table has to be waited for, or the search has ended. */
static void search_on(struct search *search)
{
    while (find_question(search)) {
        if (join(search) || !ask(search))
            return;
        search->key++;
    }
    finish_not_found(search);
}

void router_ask(struct router *router, const struct router_request *request, router_reply *reply,
                void *context)
{
    struct search *search = new_search(router, request);

    if (search == NULL) {
        struct route_answer answer;
        struct router_result result = {.answer = &answer, .table = "", .key = ""};

        route_answer_init(&answer, ROUTE_FAILED);
        reply(context, &result);
        return;
    }
    search->reply = reply;
    search->context = context;
    router->running++;
    search_on(search);
}
