/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text format of Prometheus. Names and help come from pool/totals.def, pool/histograms.def and
 * status/gauges.def, reasons from session/outcome.def; no list of them is repeated here.
 */
#include "status/status_render.h"

#include <inttypes.h>
#include <string.h>

#include "status/metric.h"
#include "status/status_certificates.h"
#include "status/status_servers.h"

#include "config.h"

enum { NAME_SIZE = 64 };

static const struct {
    const char *metric;
    const char *help;
} totals[STATUS_TOTAL_COUNT] = {
#define TOTAL(field, unit, metric, heading, help) [STATUS_TOTAL_##field] = {metric, help},
#include "pool/totals.def"
#undef TOTAL
};

static const struct {
    const char *metric;
    const char *help;
    bool is_newest; /* the instance's number is that of its newest pool, not the sum */
} gauges[STATUS_GAUGE_COUNT] = {
#define OVER_ALL false
#define NEWEST   true
#define GAUGE(field, sum, metric, heading, help) [STATUS_GAUGE_##field] = {metric, help, sum},
#include "status/gauges.def"
#undef GAUGE
#undef OVER_ALL
#undef NEWEST
};

static const struct {
    const char *metric;
    const char *help;
    enum histogram_scale scale;
} histograms[STATUS_HISTOGRAM_COUNT] = {
#define HISTOGRAM(field, scale, metric, help)                                                      \
    [STATUS_HISTOGRAM_##field] = {metric, help, HISTOGRAM_##scale},
#include "pool/histograms.def"
#undef HISTOGRAM
};

static void metric_label(FILE *out, const char *name, const char *value, size_t length)
{
    fprintf(out, "%s=\"", name);
    for (size_t i = 0; i < length; i++) {
        if (value[i] == '"' || value[i] == '\\')
            fputc('\\', out);
        fputc(value[i], out);
    }
    fputc('"', out);
}

/* Writes the name and the first label; more labels may follow. */
static void metric_begin(FILE *out, const char *name, const char *instance)
{
    fprintf(out, "pop3_proxy_%s{", name);
    metric_label(out, "instance", instance, strlen(instance));
}

static void metric_end(FILE *out, uint64_t value)
{
    fprintf(out, "} %" PRIu64 "\n", value);
}

static void metrics_totals(const struct status_view *view, FILE *out)
{
    for (size_t i = 0; i < STATUS_TOTAL_COUNT; i++) {
        char name[NAME_SIZE];

        snprintf(name, sizeof(name), "%s_total", totals[i].metric);
        metric_head(out, name, "counter", totals[i].help);
        for (size_t j = 0; j < view->instance_count; j++) {
            metric_begin(out, name, view->instances[j].name);
            metric_end(out, view->instances[j].totals[i]);
        }
    }
}

static void metrics_outcomes(const struct status_view *view, FILE *out)
{
    metric_head(out, "sessions_ended_total", "counter", "Sessions ended, by reason.");
    for (size_t i = 0; i < view->instance_count; i++)
        for (int outcome = OUTCOME_NONE + 1; outcome < OUTCOME_COUNT; outcome++) {
            metric_begin(out, "sessions_ended_total", view->instances[i].name);
            fprintf(out, ",reason=\"%s\"", outcome_reason((enum outcome)outcome));
            metric_end(out, view->instances[i].outcomes[outcome]);
        }
}

static void metrics_handshakes(const struct status_view *view, FILE *out)
{
    metric_head(out, "tls_handshakes_total", "counter",
                "TLS with clients and servers of ended sessions, by version.");
    for (size_t i = 0; i < view->instance_count; i++)
        for (int side = 0; side < SCOREBOARD_SIDES; side++)
            for (int version = 0; version < SCOREBOARD_TLS_VERSIONS; version++) {
                metric_begin(out, "tls_handshakes_total", view->instances[i].name);
                fprintf(out, ",side=\"%s\",version=\"%s\"",
                        side == SCOREBOARD_OF_CLIENT ? "client" : "server",
                        scoreboard_tls_versions[version]);
                metric_end(out, view->instances[i].handshakes[side][version]);
            }
}

/* After a reload, workers of older pools that finish their sessions count too, but what the
 * instance may have is what its newest pool may have. */
static uint64_t gauge_of_instance(const struct status_view *view, size_t instance, size_t gauge)
{
    unsigned newest = 0;
    uint64_t value = 0;

    for (size_t i = 0; i < view->pool_count; i++) {
        const struct status_pool *pool = &view->pools[i];

        if (pool->instance != instance)
            continue;
        if (!gauges[gauge].is_newest)
            value += pool->gauges[gauge];
        else if (pool->generation >= newest)
            value = pool->gauges[gauge];
        newest = pool->generation > newest ? pool->generation : newest;
    }
    return value;
}

static void metrics_gauges(const struct status_view *view, FILE *out)
{
    for (size_t i = 0; i < STATUS_GAUGE_COUNT; i++) {
        metric_head(out, gauges[i].metric, "gauge", gauges[i].help);
        for (size_t j = 0; j < view->instance_count; j++) {
            metric_begin(out, gauges[i].metric, view->instances[j].name);
            metric_end(out, gauge_of_instance(view, j, i));
        }
    }
}

/* A bucket of Prometheus holds all durations up to its bound. */
static void metrics_times(const struct status_times *times, size_t histogram,
                          const char *instance, FILE *out)
{
    const char *metric = histograms[histogram].metric;
    double scale = (double)histograms[histogram].scale;
    char name[NAME_SIZE];
    uint64_t count = 0;

    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        count += times->counts[i];
        snprintf(name, sizeof(name), "%s_bucket", metric);
        metric_begin(out, name, instance);
        if (i == HISTOGRAM_BUCKETS)
            fputs(",le=\"+Inf\"", out);
        else
            fprintf(out, ",le=\"%g\"", (double)histogram_bounds_us[i] * scale / 1e6);
        metric_end(out, count);
    }
    snprintf(name, sizeof(name), "%s_sum", metric);
    metric_begin(out, name, instance);
    fprintf(out, "} %.6f\n", (double)times->sum_us / 1e6);
    snprintf(name, sizeof(name), "%s_count", metric);
    metric_begin(out, name, instance);
    metric_end(out, count);
}

static void metrics_histograms(const struct status_view *view, FILE *out)
{
    for (size_t i = 0; i < STATUS_HISTOGRAM_COUNT; i++) {
        metric_head(out, histograms[i].metric, "histogram", histograms[i].help);
        for (size_t j = 0; j < view->instance_count; j++)
            metrics_times(&view->instances[j].times[i], i, view->instances[j].name, out);
    }
}

static void metrics_table(const struct status_table *table, const char *instance, FILE *out)
{
    for (int result = 0; result < ROUTE_RESULT_COUNT; result++) {
        metric_begin(out, "route_lookups_total", instance);
        fputc(',', out);
        metric_label(out, "table", table->name, strlen(table->name));
        fprintf(out, ",result=\"%s\"", route_result_word((enum route_result)result));
        metric_end(out, table->results[result]);
    }
}

static void metrics_tables(const struct status_view *view, FILE *out)
{
    metric_head(out, "route_lookups_total", "counter",
                "Questions to routing tables, by what they answered.");
    for (size_t i = 0; i < view->instance_count; i++)
        for (size_t j = 0; j < view->instances[i].table_count; j++)
            metrics_table(&view->instances[i].tables[j], view->instances[i].name, out);
}

/* Which line is wrong, but not what it says: anybody may read the metrics. */
static void metrics_reload(const struct status_reload *reload, FILE *out)
{
    const char *end = strstr(reload->why, ": ");

    metric_head(out, "loaded_timestamp_seconds", "gauge", "When the settings in force were read.");
    fprintf(out, "pop3_proxy_loaded_timestamp_seconds %" PRId64 "\n", reload->loaded_at);
    metric_head(out, "reload_failed", "gauge", "1 if the last reload has failed.");
    fprintf(out, "pop3_proxy_reload_failed %d\n", reload->failed_at != 0);
    if (reload->failed_at == 0)
        return;
    metric_head(out, "reload_failed_timestamp_seconds", "gauge",
                "When the last reload has failed.");
    fprintf(out, "pop3_proxy_reload_failed_timestamp_seconds %" PRId64 "\n", reload->failed_at);
    metric_head(out, "reload_failed_info", "gauge",
                "The line for which the last reload has failed.");
    fputs("pop3_proxy_reload_failed_info{", out);
    metric_label(out, "origin", reload->why, end == NULL ? 0 : (size_t)(end - reload->why));
    metric_end(out, 1);
}

void status_render_metrics(const struct status_view *view, FILE *out)
{
    metric_head(out, "info", "gauge", "The version of the running server.");
    fprintf(out, "pop3_proxy_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
    metric_head(out, "uptime_seconds", "gauge", "How long the master has been running.");
    fprintf(out, "pop3_proxy_uptime_seconds %.3f\n", (double)view->up_ms / 1e3);
    metrics_reload(&view->reload, out);
    metrics_gauges(view, out);
    metrics_totals(view, out);
    metrics_outcomes(view, out);
    metrics_handshakes(view, out);
    metrics_histograms(view, out);
    metrics_tables(view, out);
    status_servers_metrics(view, out);
    status_certificates_metrics(out);
}
