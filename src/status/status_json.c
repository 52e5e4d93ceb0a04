/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON. Keys come from pool/totals.def, pool/histograms.def and status/gauges.def, reasons from
 * session/outcome.def; no list of them is repeated here.
 */
#include "status/status_json.h"

#include <inttypes.h>

#include "base/json.h"
#include "status/status_render.h"
#include "status/status_sandbox.h"
#include "status/status_servers.h"

#include "config.h"

static const char *const totals[STATUS_TOTAL_COUNT] = {
#define TOTAL(field, ...) [STATUS_TOTAL_##field] = #field,
#include "pool/totals.def"
#undef TOTAL
};

static const char *const gauges[STATUS_GAUGE_COUNT] = {
#define GAUGE(field, ...) [STATUS_GAUGE_##field] = #field,
#include "status/gauges.def"
#undef GAUGE
};

static void json_pool(const struct status_pool *pool, FILE *out)
{
    fputc('{', out);
    json_text(out, "listen", pool->listen);
    fputc(',', out);
    json_text(out, "state", pool->state);
    json_number(out, "generation", pool->generation);
    for (size_t i = 0; i < STATUS_GAUGE_COUNT; i++)
        json_number(out, gauges[i], pool->gauges[i]);
    fputc('}', out);
}

static void json_pools(const struct status_view *view, size_t instance, FILE *out)
{
    const char *comma = "";

    fputs(",\"pools\":[", out);
    for (size_t i = 0; i < view->pool_count; i++) {
        if (view->pools[i].instance != instance)
            continue;
        fputs(comma, out);
        json_pool(&view->pools[i], out);
        comma = ",";
    }
    fputc(']', out);
}

static void json_times(const struct status_times *times, const char *field, FILE *out)
{
    uint64_t count = 0;

    fprintf(out, ",\"%s\":{\"buckets\":[", field);
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        fprintf(out, "%s%" PRIu64, i == 0 ? "" : ",", times->counts[i]);
        count += times->counts[i];
    }
    fputc(']', out);
    json_number(out, "count", count);
    json_number(out, "sum_us", times->sum_us);
    fputc('}', out);
}

static void json_table(const struct status_table *table, FILE *out)
{
    fputc('{', out);
    json_text(out, "name", table->name);
    for (int result = 0; result < ROUTE_RESULT_COUNT; result++)
        json_number(out, route_result_word((enum route_result)result), table->results[result]);
    fputc('}', out);
}

static void json_tables(const struct status_instance *instance, FILE *out)
{
    fputs(",\"tables\":[", out);
    for (size_t i = 0; i < instance->table_count; i++) {
        if (i > 0)
            fputc(',', out);
        json_table(&instance->tables[i], out);
    }
    fputc(']', out);
}

static void json_instance(const struct status_view *view, size_t index, FILE *out)
{
    const struct status_instance *instance = &view->instances[index];

    fputc('{', out);
    json_text(out, "name", instance->name);
    for (size_t i = 0; i < STATUS_TOTAL_COUNT; i++)
        json_number(out, totals[i], instance->totals[i]);
    json_number(out, "failures", status_failures(instance));
    fputs(",\"ended\":", out);
    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++)
        fprintf(out, "%c\"%s\":%" PRIu64, i == OUTCOME_NONE + 1 ? '{' : ',',
                outcome_reason((enum outcome)i), instance->outcomes[i]);
    fputc('}', out);
#define HISTOGRAM(field, ...) json_times(&instance->times[STATUS_HISTOGRAM_##field], #field, out);
#include "pool/histograms.def"
#undef HISTOGRAM
    json_tables(instance, out);
    json_pools(view, index, out);
    fputc('}', out);
}

static void json_session(const struct status_view *view, const struct status_session *session,
                         FILE *out)
{
    const struct status_pool *pool = &view->pools[session->pool];

    fputc('{', out);
    json_text(out, "instance", view->instances[pool->instance].name);
    json_number(out, "generation", pool->generation);
    json_number(out, "pid", (uint64_t)session->pid);
    fputc(',', out);
    json_text(out, "session", session->texts.id);
    fputc(',', out);
    json_text(out, "stage", session->stage);
    fputc(',', out);
    json_text(out, "client", session->texts.client);
    fputc(',', out);
    json_text(out, "user", session->texts.user);
    fputc(',', out);
    json_text(out, "server", session->texts.server);
    json_number(out, "age_ms", (uint64_t)session->age_ms);
    json_number(out, "octets", session->octets);
    fputc('}', out);
}

static void json_holds(const struct status_view *view, FILE *out)
{
    fputs("],\n\"holds\":[", out);
    for (size_t i = 0; i < view->hold_count; i++) {
        fputs(i == 0 ? "\n{" : ",\n{", out);
        json_text(out, "user", view->holds[i].user);
        json_number(out, "left_ms", (uint64_t)view->holds[i].left_ms);
        fputc('}', out);
    }
}

static void json_reload(const struct status_reload *reload, FILE *out)
{
    json_number(out, "loaded_at", (uint64_t)reload->loaded_at);
    fputs(",\"reload_failed\":", out);
    if (reload->failed_at == 0) {
        fputs("null", out);
        return;
    }
    fputc('{', out);
    json_text(out, "why", reload->why);
    json_number(out, "at", (uint64_t)reload->failed_at);
    fputc('}', out);
}

static void json_head(const struct status_view *view, FILE *out)
{
    json_text(out, "version", PACKAGE_VERSION);
    json_number(out, "pid", (uint64_t)view->master_pid);
    json_number(out, "up_ms", (uint64_t)view->up_ms);
}

static void json_instances(const struct status_view *view, FILE *out)
{
    fputs(",\"instances\":[", out);
    for (size_t i = 0; i < view->instance_count; i++) {
        fputs(i == 0 ? "\n" : ",\n", out);
        json_instance(view, i, out);
    }
}

static void json_all_sessions(const struct status_view *view, FILE *out)
{
    fputs("\"sessions\":[", out);
    for (size_t i = 0; i < view->session_count; i++) {
        fputs(i == 0 ? "\n" : ",\n", out);
        json_session(view, &view->sessions[i], out);
    }
}

void status_render_json(const struct status_view *view, FILE *out)
{
    fputc('{', out);
    json_head(view, out);
    json_reload(&view->reload, out);
    status_sandbox_json(out);
    json_instances(view, out);
    fputs("],\n", out);
    json_all_sessions(view, out);
    json_holds(view, out);
    status_servers_json(view, out);
    fputs("]}\n", out);
}

void status_json_begin_totals(const struct status_view *view, FILE *out)
{
    fputc('{', out);
    json_head(view, out);
    fprintf(out, ",\"reload_failed\":%s", view->reload.failed_at == 0 ? "false" : "true");
    status_sandbox_json(out);
    json_instances(view, out);
    status_servers_json(view, out);
    fputc(']', out);
}

void status_json_sessions(const struct status_view *view, FILE *out)
{
    fputc('{', out);
    json_all_sessions(view, out);
    json_holds(view, out);
    fputs("]}\n", out);
}
