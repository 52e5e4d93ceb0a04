/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sums are those of the totals in shared memory, without a view of all sessions.
 */
#include "status/status_history.h"

#include <inttypes.h>
#include <string.h>

#include "pool/pool_slots.h"

enum { MINUTE_STEPS = 60 / HISTORY_STEP_S };

/* Pools of one instance share its totals. */
static bool is_first_of_instance(const struct pool *pools, const struct pool *pool)
{
    for (; pools != pool; pools = pools->next)
        if (pools->memory->totals == pool->memory->totals)
            return false;
    return true;
}

static void add_totals(uint64_t *point, uint64_t *ended, const struct scoreboard_totals *totals)
{
    point[HISTORY_SESSIONS] += atomic_load(&totals->sessions);
    point[HISTORY_LOGINS] += atomic_load(&totals->logins);
    point[HISTORY_OCTETS] += atomic_load(&totals->octets);
    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
        uint64_t count = atomic_load(&totals->outcomes[i]);

        ended[i] += count;
        if (outcome_is_failure((enum outcome)i))
            point[HISTORY_FAILURES] += count;
    }
}

/* The number of workers is that of the shared memory: more may have started since we did. */
static void add_pool(uint64_t *point, const struct pool *pool)
{
    size_t end = atomic_load(&pool->scoreboard->workers_end);
    const struct scoreboard_slot *slot;

    point[HISTORY_QUEUED] += atomic_load(&pool->scoreboard->queue);
    for (size_t i = 0; i < end && i < pool->worker_count; i++)
        for (size_t at = 0;
             (slot = pool_next_place(pool, pool_worker_slot(pool, i), &at)) != NULL;)
            point[HISTORY_RUNNING] += scoreboard_state(slot) == SCOREBOARD_BUSY;
}

void status_history_add(struct status_history *history, const struct pool *pools)
{
    uint64_t *point = history->points[history->next % HISTORY_POINTS];
    uint64_t *ended = history->ended[history->next % HISTORY_POINTS];

    memset(point, 0, sizeof(history->points[0]));
    memset(ended, 0, sizeof(history->ended[0]));
    for (const struct pool *pool = pools; pool != NULL; pool = pool->next) {
        if (is_first_of_instance(pools, pool))
            add_totals(point, ended, pool->memory->totals);
        add_pool(point, pool);
    }
    history->next = (history->next + 1) % HISTORY_POINTS;
    if (history->count < HISTORY_POINTS)
        history->count++;
}

static uint32_t count_of(const struct status_history *history)
{
    return history->count < HISTORY_POINTS ? history->count : HISTORY_POINTS;
}

/* The index of the point so many steps before the newest one. */
static size_t point_before(const struct status_history *history, uint32_t steps)
{
    return (history->next % HISTORY_POINTS + 2 * HISTORY_POINTS - 1 - steps) % HISTORY_POINTS;
}

/* An instance may have gone with a reload: then the sums are smaller than before. */
static uint64_t growth(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

double status_history_rate(const struct status_history *history, enum history_field field)
{
    uint32_t count = count_of(history);
    uint32_t steps = count > MINUTE_STEPS ? MINUTE_STEPS : count - 1;

    if (count < 2)
        return 0;
    return (double)growth(history->points[point_before(history, 0)][field],
                          history->points[point_before(history, steps)][field]) /
           (steps * HISTORY_STEP_S);
}

static void write_ended(const struct status_history *history, FILE *out)
{
    uint32_t count = count_of(history);
    const char *comma = "";

    fputs(",\"ended\":{", out);
    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT && count > 0; i++) {
        uint64_t ended = growth(history->ended[point_before(history, 0)][i],
                                history->ended[point_before(history, count - 1)][i]);

        if (ended == 0)
            continue;
        fprintf(out, "%s\"%s\":%" PRIu64, comma, outcome_reason((enum outcome)i), ended);
        comma = ",";
    }
    fputc('}', out);
}

static void write_field(const struct status_history *history, enum history_field field, FILE *out)
{
    uint32_t count = count_of(history);
    uint32_t first = history->next + HISTORY_POINTS - count;

    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%s%" PRIu64, i == 0 ? "" : ",",
                history->points[(first + i) % HISTORY_POINTS][field]);
}

void status_history_json(const struct status_history *history, FILE *out)
{
    static const char *const names[HISTORY_FIELDS] = {
        [HISTORY_SESSIONS] = "sessions", [HISTORY_LOGINS] = "logins",
        [HISTORY_FAILURES] = "failures", [HISTORY_OCTETS] = "octets",
        [HISTORY_RUNNING] = "running",   [HISTORY_QUEUED] = "queued",
    };

    fprintf(out, "\"history\":{\"step_s\":%d", HISTORY_STEP_S);
    for (int field = 0; field < HISTORY_FIELDS; field++) {
        fprintf(out, ",\"%s\":[", names[field]);
        write_field(history, (enum history_field)field, out);
        fputc(']', out);
    }
    write_ended(history, out);
    fputc('}', out);
}
