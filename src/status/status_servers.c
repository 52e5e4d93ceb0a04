/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every form in which servers are shown. Names come from the configuration, numbers from memory that
 * every worker can write; server_state_read() bounds them.
 */
#include "status/status_servers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/octet.h"
#include "status/metric.h"
#include "status/table.h"

/* ---- taking them ---- */

static size_t count_servers(const struct conf_groups *groups)
{
    size_t count = 0;

    for (size_t i = 0; groups != NULL && i < groups->count; i++)
        count += groups->list[i].route.count;
    return count;
}

static void take(struct status_server *to, const struct conf_group *group,
                 const struct route_server *from, int64_t now_ms)
{
    octets_copy_word(to->group, sizeof(to->group), group->section.name);
    octets_copy_word(to->name, sizeof(to->name), from->text);
    server_state_read(from->state, now_ms, &to->report);
    to->report.is_drained = route_server_is_drained(from);
    to->weight = from->weight;
}

/* The newest pool comes first. */
int status_servers_take(struct status_view *view, const struct pool *pools)
{
    const struct conf_groups *groups = pools == NULL ? NULL : pools->generation->conf.groups;

    view->servers = calloc(count_servers(groups) + 1, sizeof(*view->servers));
    if (view->servers == NULL)
        return -1;
    for (size_t i = 0; groups != NULL && i < groups->count; i++)
        for (size_t j = 0; j < groups->list[i].route.count; j++)
            take(&view->servers[view->server_count++], &groups->list[i],
                 &groups->list[i].route.servers[j], view->taken_ms);
    return 0;
}

static uint64_t failures_of(const struct status_server *server)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SERVER_FAILURE_COUNT; i++)
        sum += server->report.failures[i];
    return sum;
}

/* "good", what the last check found, or "-" where there was none. */
static const char *check_word(const struct server_report *report)
{
    if (!report->is_checked)
        return "-";
    return report->is_check_good ? "good" : server_failure_word(report->check_failure);
}

/* ---- for people ---- */

static void draw_server(struct table *table, const struct status_server *server)
{
    const struct server_report *report = &server->report;
    char text[TABLE_TEXT_SIZE];

    table_cell(table, TABLE_LEFT, server->group);
    table_cell(table, TABLE_LEFT, server->name);
    table_cell(table, TABLE_LEFT, server_state_word(report));
    table_cell(table, TABLE_RIGHT, report->has_changed ? table_short_age(text, report->age_ms) : "-");
    table_number(table, "%u", server->weight);
    table_number(table, "%u", report->sessions);
    table_number(table, "%u", report->logins);
    table_number(table, "%u", report->waiting);
    table_cell(table, TABLE_RIGHT, table_short_number(text, (double)failures_of(server)));
    table_cell(table, TABLE_LEFT, check_word(report));
    table_cell(table, TABLE_RIGHT,
               report->is_checked ? table_short_age(text, report->check_age_ms) : "-");
    if (report->is_checked)
        table_number(table, "%.1fms", (double)report->check_us / 1e3);
    else
        table_cell(table, TABLE_RIGHT, "-");
    table_end_row(table);
}

static void draw(struct table *table, const struct status_view *view)
{
    static const struct {
        enum table_align align;
        const char *text;
    } headings[] = {{TABLE_LEFT, "GROUP"},    {TABLE_LEFT, "SERVER"},   {TABLE_LEFT, "STATE"},
                    {TABLE_RIGHT, "SINCE"},   {TABLE_RIGHT, "WEIGHT"},  {TABLE_RIGHT, "SESSIONS"},
                    {TABLE_RIGHT, "LOGINS"},  {TABLE_RIGHT, "WAITING"}, {TABLE_RIGHT, "FAILURES"},
                    {TABLE_LEFT, "CHECK"},    {TABLE_RIGHT, "AGO"},     {TABLE_RIGHT, "LATENCY"}};

    for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++)
        table_cell(table, headings[i].align, headings[i].text);
    table_end_row(table);
    for (size_t i = 0; i < view->server_count; i++)
        draw_server(table, &view->servers[i]);
}

void status_servers_table(const struct status_view *view, FILE *out)
{
    struct table table = {.out = NULL};

    if (view->server_count == 0)
        return;
    draw(&table, view);
    table.out = out;
    draw(&table, view);
}

/* ---- JSON: a name of a server has no character that needs an escape ---- */

static void json_server(const struct status_server *server, FILE *out)
{
    const struct server_report *report = &server->report;

    fprintf(out, "{\"group\":\"%s\",\"server\":\"%s\",\"state\":\"%s\",\"weight\":%u",
            server->group, server->name, server_state_word(report), server->weight);
    fprintf(out, ",\"sessions\":%u,\"logins\":%u,\"waiting\":%u", report->sessions, report->logins,
            report->waiting);
    if (report->has_changed)
        fprintf(out, ",\"since_ms\":%" PRId64, report->age_ms);
    fputs(",\"failures\":{", out);
    for (int i = 0; i < SERVER_FAILURE_COUNT; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",",
                server_failure_word((enum server_failure)i), report->failures[i]);
    fputc('}', out);
    if (report->is_checked)
        fprintf(out, ",\"check\":\"%s\",\"check_age_ms\":%" PRId64 ",\"check_us\":%" PRId64,
                check_word(report), report->check_age_ms, report->check_us);
    fputc('}', out);
}

void status_servers_json(const struct status_view *view, FILE *out)
{
    fputs("],\n\"servers\":[", out);
    for (size_t i = 0; i < view->server_count; i++) {
        fputs(i == 0 ? "\n" : ",\n", out);
        json_server(&view->servers[i], out);
    }
}

/* ---- metrics ---- */

static void metric_begin(FILE *out, const char *name, const struct status_server *server)
{
    fprintf(out, "pop3_proxy_%s{group=\"%s\",server=\"%s\"", name, server->group, server->name);
}

/* By a command, or by its weight. */
static uint64_t is_drained(const struct status_server *server)
{
    return server->report.is_drained || server->weight == 0;
}

static uint64_t is_up(const struct status_server *server)
{
    return !server->report.is_down && !is_drained(server);
}

static uint64_t sessions_of(const struct status_server *server)
{
    return server->report.sessions;
}

static uint64_t waiting_of(const struct status_server *server)
{
    return server->report.waiting;
}

static void metrics_gauge(const struct status_view *view, const char *name, const char *help,
                          uint64_t (*value)(const struct status_server *server), FILE *out)
{
    metric_head(out, name, "gauge", help);
    for (size_t i = 0; i < view->server_count; i++) {
        metric_begin(out, name, &view->servers[i]);
        fprintf(out, "} %" PRIu64 "\n", value(&view->servers[i]));
    }
}

static void metrics_failures(const struct status_view *view, FILE *out)
{
    static const char name[] = "server_failures_total";

    metric_head(out, name, "counter", "Failures of a server of a group, in sessions and checks.");
    for (size_t i = 0; i < view->server_count; i++)
        for (int j = 0; j < SERVER_FAILURE_COUNT; j++) {
            metric_begin(out, name, &view->servers[i]);
            fprintf(out, ",reason=\"%s\"} %" PRIu64 "\n",
                    server_failure_word((enum server_failure)j),
                    view->servers[i].report.failures[j]);
        }
}

void status_servers_metrics(const struct status_view *view, FILE *out)
{
    metrics_gauge(view, "server_up", "1 if a server of a group is neither down nor drained.", is_up,
                  out);
    metrics_gauge(view, "server_drained",
                  "1 if a server of a group is drained, by the command or by the weight 0.",
                  is_drained, out);
    metrics_gauge(view, "server_sessions", "Sessions at a server of a group.", sessions_of, out);
    metrics_gauge(view, "server_logins_waiting", "Logins that wait for their turn at a server.",
                  waiting_of, out);
    metrics_failures(view, out);
}

/* ---- the compact form ---- */

static void write_server(const struct status_server *server, FILE *out)
{
    const struct server_report *report = &server->report;

    fprintf(out, "%s %s %u %d %d %d %d %d %d %u %u %u %" PRId64 " %" PRId64 " %" PRId64,
            server->group, server->name, server->weight, report->is_down, report->is_drained,
            report->has_changed, report->is_checked, report->is_check_good,
            (int)report->check_failure, report->sessions, report->logins, report->waiting,
            report->age_ms, report->check_age_ms, report->check_us);
    for (size_t i = 0; i < SERVER_FAILURE_COUNT; i++)
        fprintf(out, " %" PRIu64, report->failures[i]);
    fputc('\n', out);
}

void status_servers_write(const struct status_view *view, FILE *out)
{
    for (size_t i = 0; i < view->server_count; i++)
        write_server(&view->servers[i], out);
}

static int read_server(struct status_server *server, FILE *in)
{
    struct server_report *report = &server->report;
    int flags[5];
    int failure;

    _Static_assert(sizeof(server->group) == 33 && sizeof(server->name) == 264, "the widths below");
    if (fscanf(in, "%32s %263s %u %d %d %d %d %d %d %u %u %u %" SCNd64 " %" SCNd64 " %" SCNd64,
               server->group, server->name, &server->weight, &flags[0], &flags[1], &flags[2],
               &flags[3], &flags[4], &failure, &report->sessions, &report->logins,
               &report->waiting, &report->age_ms, &report->check_age_ms, &report->check_us) != 15 ||
        failure < 0 || failure > SERVER_FAILURE_COUNT)
        return -1;
    report->is_down = flags[0] != 0;
    report->is_drained = flags[1] != 0;
    report->has_changed = flags[2] != 0;
    report->is_checked = flags[3] != 0;
    report->is_check_good = flags[4] != 0;
    report->check_failure = (enum server_failure)failure;
    for (size_t i = 0; i < SERVER_FAILURE_COUNT; i++)
        if (fscanf(in, "%" SCNu64, &report->failures[i]) != 1)
            return -1;
    return 0;
}

int status_servers_read(struct status_view *view, FILE *in)
{
    view->servers = calloc(view->server_count + 1, sizeof(*view->servers));
    if (view->servers == NULL)
        return -1;
    for (size_t i = 0; i < view->server_count; i++)
        if (read_server(&view->servers[i], in) == -1)
            return -1;
    return 0;
}
