/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables. Columns come from pool/totals.def and status/gauges.def, reasons from session/outcome.def;
 * no list of them is repeated here.
 */
#include "status/status_render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/local_time.h"
#include "base/log_recent.h"
#include "status/status_sandbox.h"
#include "status/status_servers.h"
#include "status/table.h"

#include "config.h"

/* ---- tables for people: drawn twice, first only to measure the columns ---- */

enum { WARNINGS_MAX = 5 }; /* that are shown; the status page has all of them */

/* What the tables show. */
struct drawing {
    const struct status_view *view;
    const struct status_view *before; /* NULL: totals, not rates */
};

typedef void draw(struct table *table, const struct drawing *drawing);

static void draw_table(draw *rows, const struct drawing *drawing, FILE *out)
{
    struct table table = {.out = NULL};

    rows(&table, drawing);
    table.out = out;
    rows(&table, drawing);
}

/* ---- the tables ---- */

static const struct {
    const char *field;
    const char *heading;
    bool is_octets;
} totals[STATUS_TOTAL_COUNT] = {
#define COUNT  false
#define OCTETS true
#define TOTAL(field, unit, metric, heading, help)                                                  \
    [STATUS_TOTAL_##field] = {#field, heading, unit},
#include "pool/totals.def"
#undef TOTAL
#undef COUNT
#undef OCTETS
};

static const struct {
    const char *field;
    const char *heading;
} gauges[STATUS_GAUGE_COUNT] = {
#define GAUGE(field, sum, metric, heading, help) [STATUS_GAUGE_##field] = {#field, heading},
#include "status/gauges.def"
#undef GAUGE
};

static void draw_pools(struct table *table, const struct drawing *drawing)
{
    const struct status_view *view = drawing->view;

    table_cell(table, TABLE_LEFT, "INSTANCE");
    table_cell(table, TABLE_LEFT, "LISTEN");
    table_cell(table, TABLE_LEFT, "STATE");
    table_cell(table, TABLE_RIGHT, "GENERATION");
    for (size_t i = 0; i < STATUS_GAUGE_COUNT; i++)
        table_cell(table, TABLE_RIGHT, gauges[i].heading);
    table_end_row(table);
    for (const struct status_pool *pool = view->pools; pool < view->pools + view->pool_count;
         pool++) {
        table_cell(table, TABLE_LEFT, view->instances[pool->instance].name);
        table_cell(table, TABLE_LEFT, pool->listen);
        table_cell(table, TABLE_LEFT, pool->state);
        table_number(table, "%u", pool->generation);
        for (size_t i = 0; i < STATUS_GAUGE_COUNT; i++)
            table_number(table, "%" PRIu64, pool->gauges[i]);
        table_end_row(table);
    }
}

static const struct status_instance *find_instance(const struct status_view *view, const char *name)
{
    for (size_t i = 0; i < view->instance_count; i++)
        if (strcmp(view->instances[i].name, name) == 0)
            return &view->instances[i];
    return NULL;
}

static double elapsed_s(const struct drawing *drawing)
{
    int64_t elapsed_ms = drawing->view->taken_ms - drawing->before->taken_ms;

    return elapsed_ms > 0 ? (double)elapsed_ms / 1e3 : 1.0;
}

static void draw_total(struct table *table, const struct drawing *drawing, uint64_t now,
                       uint64_t then, bool is_octets)
{
    char text[TABLE_TEXT_SIZE];
    double rate;

    if (drawing->before == NULL) {
        if (is_octets)
            table_cell(table, TABLE_RIGHT, table_short_number(text, (double)now));
        else
            table_number(table, "%" PRIu64, now);
        return;
    }
    /* A server that was started again counts from zero. */
    rate = now < then ? 0 : (double)(now - then) / elapsed_s(drawing);
    if (rate > 0 && rate < 10)
        table_number(table, "%.1f", rate);
    else
        table_cell(table, TABLE_RIGHT, table_short_number(text, rate));
}

static void draw_instance(struct table *table, const struct drawing *drawing,
                          const struct status_instance *instance)
{
    static const struct status_instance nothing;
    const struct status_instance *before =
        drawing->before == NULL ? NULL : find_instance(drawing->before, instance->name);

    if (before == NULL)
        before = &nothing;
    table_cell(table, TABLE_LEFT, instance->name);
    for (size_t i = 0; i < STATUS_TOTAL_COUNT; i++)
        draw_total(table, drawing, instance->totals[i], before->totals[i], totals[i].is_octets);
    draw_total(table, drawing, status_failures(instance), status_failures(before), false);
    table_end_row(table);
}

static void draw_totals(struct table *table, const struct drawing *drawing)
{
    const struct status_view *view = drawing->view;

    table_cell(table, TABLE_LEFT, drawing->before == NULL ? "TOTALS" : "PER SECOND");
    for (size_t i = 0; i < STATUS_TOTAL_COUNT; i++)
        table_cell(table, TABLE_RIGHT, totals[i].heading);
    table_cell(table, TABLE_RIGHT, "FAILURES");
    table_end_row(table);
    for (size_t i = 0; i < view->instance_count; i++)
        draw_instance(table, drawing, &view->instances[i]);
}

static void draw_outcomes(struct table *table, const struct drawing *drawing)
{
    const struct status_view *view = drawing->view;

    table_cell(table, TABLE_LEFT, "ENDED");
    table_cell(table, TABLE_LEFT, "REASON");
    table_cell(table, TABLE_RIGHT, "SESSIONS");
    table_end_row(table);
    for (size_t i = 0; i < view->instance_count; i++)
        for (int outcome = OUTCOME_NONE + 1; outcome < OUTCOME_COUNT; outcome++) {
            if (view->instances[i].outcomes[outcome] == 0)
                continue;
            table_cell(table, TABLE_LEFT, view->instances[i].name);
            table_cell(table, TABLE_LEFT, outcome_reason((enum outcome)outcome));
            table_number(table, "%" PRIu64, view->instances[i].outcomes[outcome]);
            table_end_row(table);
        }
}

static const char *or_dash(const char *text)
{
    return text[0] == '\0' ? "-" : text;
}

static void draw_session(struct table *table, const struct status_view *view,
                         const struct status_session *session)
{
    char text[TABLE_TEXT_SIZE];

    table_number(table, "%d", (int)session->pid);
    table_cell(table, TABLE_LEFT, view->instances[view->pools[session->pool].instance].name);
    table_cell(table, TABLE_LEFT, session->stage);
    table_cell(table, TABLE_RIGHT, table_short_age(text, session->age_ms));
    table_cell(table, TABLE_RIGHT, table_short_number(text, (double)session->octets));
    table_cell(table, TABLE_LEFT, or_dash(session->texts.client));
    table_name(table, session->texts.user);
    table_cell(table, TABLE_LEFT, or_dash(session->texts.server));
    table_cell(table, TABLE_LEFT, or_dash(session->texts.id));
    table_end_row(table);
}

static void draw_sessions(struct table *table, const struct drawing *drawing)
{
    static const struct {
        enum table_align align;
        const char *text;
    } headings[] = {{TABLE_RIGHT, "PID"}, {TABLE_LEFT, "INSTANCE"}, {TABLE_LEFT, "STAGE"},
                    {TABLE_RIGHT, "AGE"}, {TABLE_RIGHT, "OCTETS"},  {TABLE_LEFT, "CLIENT"},
                    {TABLE_LEFT, "USER"}, {TABLE_LEFT, "SERVER"},   {TABLE_LEFT, "SESSION"}};
    const struct status_view *view = drawing->view;

    for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++)
        table_cell(table, headings[i].align, headings[i].text);
    table_end_row(table);
    for (size_t i = 0; i < view->session_count; i++)
        draw_session(table, view, &view->sessions[i]);
}

static void draw_holds(struct table *table, const struct drawing *drawing)
{
    const struct status_view *view = drawing->view;
    char text[TABLE_TEXT_SIZE];

    if (view->hold_count == 0)
        return;
    table_cell(table, TABLE_LEFT, "HELD");
    table_cell(table, TABLE_RIGHT, "FOR");
    table_end_row(table);
    for (size_t i = 0; i < view->hold_count; i++) {
        table_name(table, view->holds[i].user);
        table_cell(table, TABLE_RIGHT, table_short_age(text, view->holds[i].left_ms));
        table_end_row(table);
    }
    table_end_row(table);
}

/* The newest first. */
static void draw_warnings(struct table *table, const struct drawing *drawing)
{
    static struct log_recent lines[LOG_RECENT_MAX];
    size_t count = log_recent_copy(lines);
    int64_t now_s = clock_wall_s();
    char text[TABLE_TEXT_SIZE];

    (void)drawing;
    if (count == 0)
        return;
    table_cell(table, TABLE_LEFT, "WARNINGS");
    table_cell(table, TABLE_RIGHT, "AGO");
    table_cell(table, TABLE_LEFT, "LINE");
    table_end_row(table);
    for (size_t i = 0; i < count && i < WARNINGS_MAX; i++) {
        const struct log_recent *line = &lines[count - 1 - i];
        int64_t ago_s = now_s > line->at ? now_s - line->at : 0; /* the clock may have been set */

        table_cell(table, TABLE_LEFT, log_level_word(line->level));
        table_cell(table, TABLE_RIGHT, table_short_age(text, ago_s * 1000));
        table_cell(table, TABLE_LEFT, line->text);
        table_end_row(table);
    }
    table_end_row(table);
}

static void draw_reload(const struct status_reload *reload, FILE *out)
{
    struct local_time at = local_time_at(reload->failed_at);

    if (reload->failed_at != 0)
        fprintf(out, "the reload at %04d-%02d-%02d %02d:%02d:%02d failed: %s\n\n", at.year,
                at.month, at.day, at.hour, at.minute, at.second, reload->why);
}

static void draw_servers(const struct status_view *view, FILE *out)
{
    status_servers_table(view, out);
    if (view->server_count > 0)
        fputc('\n', out);
}

static void draw_head(const struct status_view *view, FILE *out)
{
    char age[TABLE_TEXT_SIZE];

    fprintf(out, "pop3.proxy %s  pid %d  up %s  sessions %zu\n\n", PACKAGE_VERSION,
            (int)view->master_pid, table_short_age(age, view->up_ms), view->session_count);
    draw_reload(&view->reload, out);
}

void status_render_table(const struct status_view *view, FILE *out)
{
    struct drawing drawing = {.view = view};

    draw_head(view, out);
    draw_table(draw_pools, &drawing, out);
    fputc('\n', out);
    draw_table(draw_totals, &drawing, out);
    fputc('\n', out);
    draw_table(draw_outcomes, &drawing, out);
    fputc('\n', out);
    draw_servers(view, out);
    status_sandbox_table(out);
    draw_table(draw_holds, &drawing, out);
    draw_table(draw_warnings, &drawing, out);
    draw_table(draw_sessions, &drawing, out);
}

void status_render_servers(const struct status_view *view, FILE *out)
{
    status_servers_table(view, out);
    if (view->server_count == 0)
        fputs("no groups of servers\n", out);
}

void status_render_live(const struct status_view *view, const struct status_view *before,
                        enum status_tables tables, FILE *out)
{
    struct drawing drawing = {.view = view, .before = before};

    draw_head(view, out);
    if ((tables & STATUS_TABLE_POOLS) != 0) {
        draw_table(draw_pools, &drawing, out);
        fputc('\n', out);
    }
    if ((tables & STATUS_TABLE_TOTALS) != 0) {
        draw_table(draw_totals, &drawing, out);
        fputc('\n', out);
    }
    if ((tables & STATUS_TABLE_SESSIONS) != 0) {
        draw_table(draw_holds, &drawing, out);
        draw_table(draw_sessions, &drawing, out);
    }
}
