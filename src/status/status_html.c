/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts of users and servers are escaped here; the script puts them into the page as text.
 */
#include "status/status_html.h"

#include <inttypes.h>

#include "base/clock.h"
#include "status/status_certificates.h"
#include "status/status_warnings.h"
#include "status/table.h"

#include "config.h"

enum { PLAIN_SESSIONS_MAX = 200 };

/* Made from src/status/page by the makefile. */
static const char style[] =
#include "status/page_css.inc"
    ;
static const char body[] =
#include "status/page_html.inc"
    ;
static const char script[] =
#include "status/page_js.inc"
    ;

static void write_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
}

static void cell(const char *text, FILE *out)
{
    fputs("<td>", out);
    write_text(text, out);
    fputs("</td>", out);
}

static void number(uint64_t value, FILE *out)
{
    fprintf(out, "<td class=n>%" PRIu64 "</td>", value);
}

/* ---- the tables without JavaScript ---- */

static void write_head(const struct status_view *view, FILE *out)
{
    char text[TABLE_TEXT_SIZE];

    fprintf(out, "<section><p>version " PACKAGE_VERSION ", up %s</p>\n",
            table_short_age(text, view->up_ms));
    if (view->reload.failed_at != 0)
        fputs("<p class=bad>the last reload has failed; the old settings are in force</p>\n", out);
    fputs("</section>\n", out);
}

static void write_rates(const struct status_history *history, FILE *out)
{
    static const struct {
        enum history_field field;
        const char *heading;
    } rates[] = {{HISTORY_SESSIONS, "sessions"}, {HISTORY_LOGINS, "logins"},
                 {HISTORY_FAILURES, "failures"}, {HISTORY_OCTETS, "octets"}};
    char text[TABLE_TEXT_SIZE];

    fputs("<section><h2>Each second of the last minute</h2><div class=scroll><table><tr>", out);
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        fprintf(out, "<th class=n>%s", rates[i].heading);
    fputs("</tr>\n<tr>", out);
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        double rate = status_history_rate(history, rates[i].field);

        if (rate < 10)
            fprintf(out, "<td class=n>%.1f</td>", rate);
        else
            fprintf(out, "<td class=n>%s</td>", table_short_number(text, rate));
    }
    fputs("</tr>\n</table></div></section>\n", out);
}

static void write_totals(const struct status_view *view, FILE *out)
{
    static const char *const fields[STATUS_TOTAL_COUNT] = {
#define TOTAL(field, kind, metric, heading, help) [STATUS_TOTAL_##field] = heading,
#include "pool/totals.def"
#undef TOTAL
    };

    fputs("<section><h2>Since the start</h2><div class=scroll><table><tr><th>instance", out);
    for (size_t i = 0; i < STATUS_TOTAL_COUNT; i++)
        fprintf(out, "<th class=n>%s", fields[i]);
    fputs("<th class=n>FAILURES</tr>\n", out);
    for (size_t i = 0; i < view->instance_count; i++) {
        fputs("<tr>", out);
        cell(view->instances[i].name, out);
        for (size_t j = 0; j < STATUS_TOTAL_COUNT; j++)
            number(view->instances[i].totals[j], out);
        number(status_failures(&view->instances[i]), out);
        fputs("</tr>\n", out);
    }
    fputs("</table></div></section>\n", out);
}

static void write_certificate(void *context, const char *file, int64_t days)
{
    FILE *out = context;

    fputs("<tr>", out);
    cell(file, out);
    fprintf(out, "<td class=n>%" PRId64 "</td></tr>\n", days);
}

static void write_certificates(FILE *out)
{
    fputs("<section><h2>Certificates</h2><div class=scroll><table><tr><th>file<th class=n>days left"
          "</tr>\n",
          out);
    status_certificates_each(clock_wall_s(), write_certificate, out);
    fputs("</table></div></section>\n", out);
}

static void write_warnings(bool has_names, FILE *out)
{
    static struct log_recent lines[LOG_RECENT_MAX];
    size_t count = status_warnings_copy(lines, has_names);
    int64_t now_s = clock_wall_s();
    char text[TABLE_TEXT_SIZE];

    fputs("<section><h2>Recent warnings</h2><div class=scroll><table><tr><th>ago<th>severity<th>line"
          "</tr>\n",
          out);
    for (size_t i = count; i-- > 0;) {
        int64_t ago_s = now_s > lines[i].at ? now_s - lines[i].at : 0; /* the clock may be set */

        fputs("<tr>", out);
        cell(table_short_age(text, ago_s * 1000), out);
        cell(log_level_word(lines[i].level), out);
        fputs("<td><code>", out);
        write_text(lines[i].text, out);
        fputs("</code></td></tr>\n", out);
    }
    fputs("</table></div></section>\n", out);
}

static void write_pools(const struct status_view *view, FILE *out)
{
    fputs("<section><h2>Instances and pools</h2><div class=scroll><table><tr><th>instance<th>listens "
          "at<th>state<th class=n>sessions<th class=n>places<th class=n>queued</tr>\n",
          out);
    for (size_t i = 0; i < view->pool_count; i++) {
        const struct status_pool *pool = &view->pools[i];

        fputs("<tr>", out);
        cell(view->instances[pool->instance].name, out);
        cell(pool->listen, out);
        cell(pool->state, out);
        number(pool->gauges[STATUS_GAUGE_sessions], out);
        number(pool->gauges[STATUS_GAUGE_places], out);
        number(pool->gauges[STATUS_GAUGE_waiting], out);
        fputs("</tr>\n", out);
    }
    fputs("</table></div></section>\n", out);
}

static void write_servers(const struct status_view *view, FILE *out)
{
    if (view->server_count == 0)
        return;
    fputs("<section><h2>Groups and servers</h2><div class=scroll><table><tr><th>group<th>server<th>"
          "state<th class=n>sessions</tr>\n",
          out);
    for (size_t i = 0; i < view->server_count; i++) {
        fputs("<tr>", out);
        cell(view->servers[i].group, out);
        cell(view->servers[i].name, out);
        cell(server_state_word(&view->servers[i].report), out);
        number(view->servers[i].report.sessions, out);
        fputs("</tr>\n", out);
    }
    fputs("</table></div></section>\n", out);
}

static void write_reasons(const struct status_view *view, FILE *out)
{
    fputs("<section><h2>Why sessions ended</h2><div class=scroll><table><tr><th>instance<th>reason<th class=n>sessions"
          "</tr>\n",
          out);
    for (size_t i = 0; i < view->instance_count; i++)
        for (int outcome = OUTCOME_NONE + 1; outcome < OUTCOME_COUNT; outcome++) {
            if (view->instances[i].outcomes[outcome] == 0)
                continue;
            fputs("<tr>", out);
            cell(view->instances[i].name, out);
            cell(outcome_reason((enum outcome)outcome), out);
            number(view->instances[i].outcomes[outcome], out);
            fputs("</tr>\n", out);
        }
    fputs("</table></div></section>\n", out);
}

static void write_session(const struct status_session *session, FILE *out)
{
    char text[TABLE_TEXT_SIZE];

    fputs("<tr>", out);
    cell(session->texts.user, out);
    cell(session->texts.client, out);
    cell(session->texts.server, out);
    cell(session->stage, out);
    cell(table_short_age(text, session->age_ms), out);
    number(session->octets, out);
    fputs("</tr>\n", out);
}

static void write_sessions(const struct status_view *view, FILE *out)
{
    size_t shown =
        view->session_count < PLAIN_SESSIONS_MAX ? view->session_count : PLAIN_SESSIONS_MAX;

    fprintf(out,
            "<section><h2>Sessions <span class=soft>%zu, the oldest %zu are shown</span></h2>"
            "<div class=scroll><table><tr><th>user<th>client<th>server<th>stage<th>age<th class=n>"
            "octets</tr>\n",
            view->session_count, shown);
    for (size_t i = 0; i < shown; i++)
        write_session(&view->sessions[i], out);
    fputs("</table></div></section>\n", out);
}

void status_html_plain(const struct status_view *view, const struct status_history *history,
                       bool has_sessions, FILE *out)
{
    fputs("<noscript><main>\n", out);
    write_head(view, out);
    write_rates(history, out);
    write_pools(view, out);
    write_totals(view, out);
    write_servers(view, out);
    write_reasons(view, out);
    write_certificates(out);
    write_warnings(has_sessions, out);
    if (has_sessions)
        write_sessions(view, out);
    fputs("</main></noscript>\n", out);
}

/* ---- the page ---- */

void status_html_write(bool has_sessions, const char *plain, const char *nonce, FILE *out)
{
    fprintf(out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<title>pop3.proxy</title><link rel=\"icon\" href=\"data:,\">\n"
            "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n"
            "<style nonce=\"%s\">\n%s</style></head>\n<body data-page=\"%s\">\n%s",
            nonce, style, has_sessions ? "sessions" : "totals", body);
    fputs(plain, out);
    fprintf(out, "<script nonce=\"%s\">\n%s</script>\n</body></html>\n", nonce, script);
}
