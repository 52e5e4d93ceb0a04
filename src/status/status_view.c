/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers are counted by their slots and not by the pool's own counter, so that the numbers that
 * are shown add up.
 */
#include "status/status_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/octet.h"
#include "base/utf8.h"
#include "pool/pool_slots.h"
#include "status/status_servers.h"

#include "config.h"

/* More than there can be. A text from the socket must not make us ask for any amount of memory. */
enum { STATUS_POOLS_MAX = 100000, STATUS_SESSIONS_MAX = 10000000, STATUS_SERVERS_MAX = 100000 };

_Static_assert((int)OUTCOME_COUNT <= (int)SCOREBOARD_OUTCOMES_MAX, "room for every outcome");

/* ---- taking it ---- */

static size_t count_pools(const struct pool *pools)
{
    size_t count = 0;

    for (; pools != NULL; pools = pools->next)
        count++;
    return count;
}

static size_t count_slots(const struct pool *pools)
{
    size_t count = 0;

    for (; pools != NULL; pools = pools->next)
        count += pool_slot_count(pools);
    return count;
}

static void copy_times(struct status_times *to, const struct histogram *from)
{
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        to->counts[i] = atomic_load(&from->counts[i]);
    to->sum_us = atomic_load(&from->sum_us);
}

static void copy_totals(struct status_instance *to, const struct scoreboard_totals *from)
{
#define TOTAL(field, ...) to->totals[STATUS_TOTAL_##field] = atomic_load(&from->field);
#include "pool/totals.def"
#undef TOTAL
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        to->outcomes[i] = atomic_load(&from->outcomes[i]);
    for (int side = 0; side < SCOREBOARD_SIDES; side++)
        for (int i = 0; i < SCOREBOARD_TLS_VERSIONS; i++)
            to->handshakes[side][i] = atomic_load(&from->handshakes[side][i]);
#define HISTOGRAM(field, ...) copy_times(&to->times[STATUS_HISTOGRAM_##field], &from->field);
#include "pool/histograms.def"
#undef HISTOGRAM
}

static void copy_tables(struct status_instance *to, const struct instance_memory *from)
{
    for (size_t i = 0; i < INSTANCE_TABLES_MAX && from->tables[i] != NULL; i++) {
        struct status_table *table = &to->tables[to->table_count++];

        octets_copy_word(table->name, sizeof(table->name), from->tables[i]);
        for (size_t j = 0; j < ROUTE_RESULT_COUNT; j++)
            table->results[j] = atomic_load(&from->table_counts[i].results[j]);
    }
}

/* The index of the pool's instance, which is added if it is not there yet. */
static size_t find_instance(struct status_view *view, const struct pool *pool)
{
    const char *name = pool->instance->section.name;
    struct status_instance *instance;
    size_t i = 0;

    while (i < view->instance_count && strcmp(view->instances[i].name, name) != 0)
        i++;
    if (i < view->instance_count)
        return i;
    instance = &view->instances[view->instance_count++];
    octets_copy_word(instance->name, sizeof(instance->name), name);
    copy_totals(instance, pool->memory->totals);
    copy_tables(instance, pool->memory);
    return i;
}

static const char *state_word(enum pool_state state)
{
    switch (state) {
    case POOL_RUNNING:
        return "running";
    case POOL_RETIRING:
        return "retiring";
    case POOL_STOPPING:
        return "stopping";
    }
    return "unknown";
}

static void take_session(struct status_view *view, const struct scoreboard_slot *slot, pid_t pid)
{
    struct status_session *session = &view->sessions[view->session_count];
    uint32_t number = atomic_load(&slot->session);

    *session = (struct status_session){
        .pool = view->pool_count,
        .pid = pid,
        .age_ms = scoreboard_age_ms(slot, view->taken_ms),
        .octets = atomic_load(&slot->octets),
    };
    octets_copy_word(session->stage, sizeof(session->stage), scoreboard_stage_word(slot));
    (void)scoreboard_read_texts(slot, &session->texts);
    /* It may have ended meanwhile, and the next begun: half of each is none of them. */
    if (scoreboard_state(slot) == SCOREBOARD_BUSY && atomic_load(&slot->session) == number)
        view->session_count++;
}

/* Returns how many sessions there are. */
static size_t take_sessions(struct status_view *view, const struct pool *pool,
                            struct scoreboard_slot *worker, pid_t pid)
{
    size_t before = view->session_count;
    struct scoreboard_slot *slot;

    for (size_t at = 0; (slot = pool_next_place(pool, worker, &at)) != NULL;)
        if (scoreboard_state(slot) == SCOREBOARD_BUSY)
            take_session(view, slot, pid);
    return view->session_count - before;
}

/* For the pool a worker is idle while it has a free place. People want to know whether it serves
 * anybody. */
static enum status_gauge gauge_of(enum scoreboard_state state, size_t session_count)
{
    switch (state) {
    case SCOREBOARD_STARTING:
        return STATUS_GAUGE_starting;
    case SCOREBOARD_IDLE:
    case SCOREBOARD_RESTING:
        return session_count > 0 ? STATUS_GAUGE_busy : STATUS_GAUGE_idle;
    case SCOREBOARD_BUSY:
        return STATUS_GAUGE_busy;
    case SCOREBOARD_LEAVING:
        return STATUS_GAUGE_leaving;
    case SCOREBOARD_FREE:
    case SCOREBOARD_STATE_COUNT:
        break;
    }
    return STATUS_GAUGE_COUNT;
}

static void take_worker(struct status_view *view, struct status_pool *pool, const struct pool *from,
                        struct scoreboard_slot *slot)
{
    pid_t pid = atomic_load(&slot->pid);
    enum status_gauge gauge;
    size_t session_count;

    if (pid == 0)
        return;
    session_count = take_sessions(view, from, slot, pid);
    gauge = gauge_of(scoreboard_state(slot), session_count);
    pool->gauges[STATUS_GAUGE_sessions] += session_count;
    if (gauge != STATUS_GAUGE_COUNT)
        pool->gauges[gauge]++;
}

static bool has_worker(const struct status_pool *pool)
{
    const uint64_t *gauges = pool->gauges;

    return gauges[STATUS_GAUGE_idle] + gauges[STATUS_GAUGE_busy] + gauges[STATUS_GAUGE_starting] +
               gauges[STATUS_GAUGE_leaving] >
           0;
}

static void take_pool(struct status_view *view, const struct pool *from)
{
    struct status_pool *pool = &view->pools[view->pool_count];
    uint64_t max = (uint64_t)from->instance->values->max_workers;
    size_t end = atomic_load(&from->scoreboard->workers_end);

    *pool = (struct status_pool){.generation = from->generation->number};
    pool->gauges[STATUS_GAUGE_max] = max;
    pool->gauges[STATUS_GAUGE_places] = max * from->places;
    pool->gauges[STATUS_GAUGE_waiting] = atomic_load(&from->scoreboard->queue);
    octets_copy_word(pool->listen, sizeof(pool->listen), from->instance->values->listen);
    octets_copy_word(pool->state, sizeof(pool->state), state_word(from->state));
    for (size_t i = 0; i < end && i < from->worker_count; i++)
        take_worker(view, pool, from, pool_worker_slot(from, i));
    if (from->state != POOL_RUNNING && !has_worker(pool))
        return;
    pool->instance = find_instance(view, from);
    view->pool_count++;
}

/* The list begins with the newest pool; people expect the oldest first. */
static void take_pools(struct status_view *view, const struct pool *pools)
{
    if (pools == NULL)
        return;
    take_pools(view, pools->next);
    take_pool(view, pools);
}

static void take_holds(struct status_view *view)
{
    for (size_t i = 0; i < HOLDS_MAX; i++) {
        struct status_hold *hold = &view->holds[view->hold_count];

        view->hold_count += hold_show(i, view->taken_ms, hold->user, &hold->left_ms);
    }
}

static int make_room(struct status_view *view, size_t pool_count, size_t session_count)
{
    view->instances = calloc(pool_count + 1, sizeof(*view->instances));
    view->pools = calloc(pool_count + 1, sizeof(*view->pools));
    view->sessions = malloc((session_count + 1) * sizeof(*view->sessions));
    return view->instances == NULL || view->pools == NULL || view->sessions == NULL ? -1 : 0;
}

int status_view_take(struct status_view *view, const struct pool *pools, int64_t started_ms,
                     const struct status_reload *reload)
{
    int64_t now_ms = clock_now_ms();

    *view = (struct status_view){.reload = *reload,
                                 .up_ms = now_ms - started_ms,
                                 .taken_ms = now_ms,
                                 .master_pid = pools == NULL ? 0 : pools->master_pid};
    if (make_room(view, count_pools(pools), count_slots(pools)) == -1)
        return -1;
    take_pools(view, pools);
    take_holds(view);
    return status_servers_take(view, pools);
}

void status_view_free(struct status_view *view)
{
    free(view->instances);
    free(view->pools);
    free(view->sessions);
    free(view->servers);
    *view = (struct status_view){0};
}

uint64_t status_failures(const struct status_instance *instance)
{
    uint64_t sum = 0;

    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++)
        if (outcome_is_failure((enum outcome)i))
            sum += instance->outcomes[i];
    return sum;
}

/* ---- order ---- */

static int compare(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int compare_ages(const void *a, const void *b)
{
    const struct status_session *left = a;
    const struct status_session *right = b;

    return compare((uint64_t)left->age_ms, (uint64_t)right->age_ms);
}

static int compare_octets(const void *a, const void *b)
{
    const struct status_session *left = a;
    const struct status_session *right = b;
    int result = compare(left->octets, right->octets);

    return result != 0 ? result : compare_ages(a, b);
}

void status_view_sort(struct status_view *view, enum status_order order)
{
    qsort(view->sessions, view->session_count, sizeof(*view->sessions),
          order == STATUS_BY_AGE ? compare_ages : compare_octets);
}

/* ---- the compact form ---- */

static const char *or_dash(const char *text)
{
    return text[0] == '\0' ? "-" : text;
}

static void write_numbers(const uint64_t *numbers, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++)
        fprintf(out, " %" PRIu64, numbers[i]);
}

static void write_instance(const struct status_instance *instance, FILE *out)
{
    fputs(or_dash(instance->name), out);
    write_numbers(instance->totals, STATUS_TOTAL_COUNT, out);
    write_numbers(instance->outcomes, OUTCOME_COUNT, out);
    fputc('\n', out);
}

static void write_pool(const struct status_pool *pool, FILE *out)
{
    fprintf(out, "%zu %s %s %u", pool->instance, or_dash(pool->listen), or_dash(pool->state),
            pool->generation);
    write_numbers(pool->gauges, STATUS_GAUGE_COUNT, out);
    fputc('\n', out);
}

/* A name may have blanks, also at both ends: it is the last on its line, after an equals sign. */
static void write_session(const struct status_session *session, FILE *out)
{
    fprintf(out, "%zu %d %s %s %s %s %" PRId64 " %" PRIu64 " =%s\n", session->pool,
            (int)session->pid, or_dash(session->stage), or_dash(session->texts.id),
            or_dash(session->texts.client), or_dash(session->texts.server), session->age_ms,
            session->octets, or_dash(session->texts.user));
}

void status_view_write(const struct status_view *view, FILE *out)
{
    fprintf(out, "view " PACKAGE_VERSION " %d %" PRId64 " %" PRId64 " %zu %zu %zu %zu %zu\n",
            (int)view->master_pid, view->up_ms, view->taken_ms, view->instance_count,
            view->pool_count, view->session_count, view->hold_count,
            view->server_count);
    fprintf(out, "%" PRId64 " %" PRId64 " %s\n", view->reload.loaded_at, view->reload.failed_at,
            or_dash(view->reload.why));
    for (size_t i = 0; i < view->instance_count; i++)
        write_instance(&view->instances[i], out);
    for (size_t i = 0; i < view->pool_count; i++)
        write_pool(&view->pools[i], out);
    for (size_t i = 0; i < view->session_count; i++)
        write_session(&view->sessions[i], out);
    for (size_t i = 0; i < view->hold_count; i++)
        fprintf(out, "%" PRId64 " =%s\n", view->holds[i].left_ms, view->holds[i].user);
    status_servers_write(view, out);
}

static int read_numbers(uint64_t *numbers, size_t count, FILE *in)
{
    for (size_t i = 0; i < count; i++)
        if (fscanf(in, "%" SCNu64, &numbers[i]) != 1)
            return -1;
    return 0;
}

static int read_instance(struct status_instance *instance, FILE *in)
{
    if (fscanf(in, "%63s", instance->name) != 1 ||
        read_numbers(instance->totals, STATUS_TOTAL_COUNT, in) == -1)
        return -1;
    return read_numbers(instance->outcomes, OUTCOME_COUNT, in);
}

static int read_pool(struct status_pool *pool, size_t instance_count, FILE *in)
{
    if (fscanf(in, "%zu %127s %23s %u", &pool->instance, pool->listen, pool->state,
               &pool->generation) != 4 ||
        pool->instance >= instance_count)
        return -1;
    return read_numbers(pool->gauges, STATUS_GAUGE_COUNT, in);
}

static int read_session(struct status_session *session, size_t pool_count, FILE *in)
{
    char end[2];
    int pid;
    int count =
        fscanf(in, "%zu %d %23s %31s %63s %63s %" SCNd64 " %" SCNu64 " =%63[^\n]%1[\n]",
               &session->pool, &pid, session->stage, session->texts.id, session->texts.client,
               session->texts.server, &session->age_ms, &session->octets, session->texts.user, end);

    _Static_assert(sizeof(session->texts.user) == 64, "the width in the format above");
    session->pid = pid;
    if (count != 10 || session->pool >= pool_count)
        return -1;
    utf8_copy_name(session->texts.user, sizeof(session->texts.user), session->texts.user);
    return 0;
}

static int read_hold(struct status_hold *hold, FILE *in)
{
    char end[2];
    int count = fscanf(in, "%" SCNd64 " =%63[^\n]%1[\n]", &hold->left_ms, hold->user, end);

    _Static_assert(sizeof(hold->user) == 64, "the width in the format above");
    if (count != 3)
        return -1;
    utf8_copy_name(hold->user, sizeof(hold->user), hold->user);
    return 0;
}

/* Its text has blanks, so it ends with the line. */
static int read_reload(struct status_reload *reload, FILE *in)
{
    int count = fscanf(in, "%" SCNd64 " %" SCNd64 " %511[^\n]", &reload->loaded_at,
                       &reload->failed_at, reload->why);

    _Static_assert(sizeof(reload->why) == 512, "the width in the format above");
    if (reload->failed_at == 0)
        reload->why[0] = '\0';
    return count == 3 ? 0 : -1;
}

static int read_head(struct status_view *view, FILE *in)
{
    char version[STATUS_WORD_SIZE];
    int pid;
    int count =
        fscanf(in, "view %23s %d %" SCNd64 " %" SCNd64 " %zu %zu %zu %zu %zu", version,
               &pid, &view->up_ms, &view->taken_ms, &view->instance_count, &view->pool_count,
               &view->session_count, &view->hold_count, &view->server_count);

    view->master_pid = pid;
    if (count != 9 || view->hold_count > HOLDS_MAX ||
        view->server_count > STATUS_SERVERS_MAX || read_reload(&view->reload, in) == -1 ||
        strcmp(version, PACKAGE_VERSION) != 0 || view->instance_count > view->pool_count ||
        view->pool_count > STATUS_POOLS_MAX || view->session_count > STATUS_SESSIONS_MAX)
        return -1;
    return 0;
}

int status_view_read(struct status_view *view, FILE *in)
{
    *view = (struct status_view){0};
    if (read_head(view, in) == -1 || make_room(view, view->pool_count, view->session_count) == -1)
        return -1;
    for (size_t i = 0; i < view->instance_count; i++)
        if (read_instance(&view->instances[i], in) == -1)
            return -1;
    for (size_t i = 0; i < view->pool_count; i++)
        if (read_pool(&view->pools[i], view->instance_count, in) == -1)
            return -1;
    for (size_t i = 0; i < view->session_count; i++)
        if (read_session(&view->sessions[i], view->pool_count, in) == -1)
            return -1;
    for (size_t i = 0; i < view->hold_count; i++)
        if (read_hold(&view->holds[i], in) == -1)
            return -1;
    return status_servers_read(view, in);
}
