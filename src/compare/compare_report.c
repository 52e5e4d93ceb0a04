/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of users and words of servers come from outside: nothing but printable ASCII reaches a
 * terminal.
 */
#include "compare/compare_report.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/number.h"
#include "base/octet.h"

enum { TROUBLE = 2 };

/* ---- for people ---- */

static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (octet_is_printable(*text))
            fputc(*text, out);
        else
            fprintf(out, "\\x%02x", (unsigned char)*text);
}

/* The parts of a line are separated by semicolons. */
static void begin_part(FILE *out, bool *is_first)
{
    fputs(*is_first ? ": " : "; ", out);
    *is_first = false;
}

static void put_failure(FILE *out, const char *name, const struct compare_side *side,
                        bool *is_first)
{
    if (side->failure == COMPARE_GOOD)
        return;
    begin_part(out, is_first);
    fprintf(out, "%s: %s", name, compare_failure_text(side->failure));
    if (side->text != NULL) {
        fputs(": ", out);
        put_text(out, side->text);
    }
}

static void put_again(FILE *out, const struct compare_finding *finding, bool *is_first)
{
    uint64_t again = finding->result.again;

    if (again == 0)
        return;
    begin_part(out, is_first);
    if (compare_result_is_all_again(&finding->result))
        fprintf(out, "downloads everything again, %" PRIu64 " message%s: all UIDLs differ", again,
                number_plural(again));
    else
        fprintf(out, "downloads %" PRIu64 " of %" PRIu64 " message%s again: their UIDLs differ", again,
                finding->new.count, number_plural(finding->new.count));
}

static void put_count(FILE *out, uint64_t count, const char *what, bool *is_first)
{
    if (count == 0)
        return;
    begin_part(out, is_first);
    fprintf(out, "%" PRIu64 " message%s %s", count, number_plural(count), what);
}

static void put_line(const struct compare_report *report, const char *user,
                     const struct compare_finding *finding)
{
    const struct compare_result *result = &finding->result;
    bool is_first = true;

    put_text(report->out, user);
    put_failure(report->out, report->old_name, &finding->old, &is_first);
    put_failure(report->out, report->new_name, &finding->new, &is_first);
    put_again(report->out, finding, &is_first);
    put_count(report->out, result->lost, "missing at the new server", &is_first);
    put_count(report->out, result->added, "only at the new server", &is_first);
    put_count(report->out, result->changed, "with the same UIDL but other content", &is_first);
    fputc('\n', report->out);
}

/* ---- JSON ---- */

static void json_side(FILE *out, const char *key, const struct compare_side *side)
{
    fprintf(out, ",\"%s\":{", key);
    if (side->failure == COMPARE_GOOD) {
        fprintf(out, "\"messages\":%" PRIu64, side->count);
        json_number(out, "octets", side->octets);
    } else {
        json_text(out, "failure", compare_failure_word(side->failure));
        fputc(',', out);
        json_text(out, "text", side->text == NULL ? "" : side->text);
    }
    fputc('}', out);
}

static void json_result(FILE *out, const struct compare_result *result)
{
    json_number(out, "same", result->same);
    json_number(out, "again", result->again);
    json_number(out, "lost", result->lost);
    json_number(out, "added", result->added);
    json_number(out, "changed", result->changed);
    fprintf(out, ",\"everything_again\":%s",
            compare_result_is_all_again(result) ? "true" : "false");
}

static void json_user(const struct compare_report *report, const char *user,
                      const struct compare_finding *finding)
{
    fprintf(report->out, "%s\n{", report->summary.users == 0 ? "" : ",");
    json_text(report->out, "user", user);
    json_side(report->out, "old", &finding->old);
    json_side(report->out, "new", &finding->new);
    if (finding->old.failure == COMPARE_GOOD && finding->new.failure == COMPARE_GOOD)
        json_result(report->out, &finding->result);
    fputc('}', report->out);
}

static void json_summary(const struct compare_report *report)
{
    const struct compare_summary *summary = &report->summary;

    fprintf(report->out, "\n],\"summary\":{\"users\":%" PRIu64, summary->users);
    json_number(report->out, "same", summary->same);
    json_number(report->out, "everything_again", summary->all_again);
    json_number(report->out, "some_again", summary->some_again);
    json_number(report->out, "lost", summary->lost);
    json_number(report->out, "added", summary->added);
    json_number(report->out, "changed", summary->changed);
    json_number(report->out, "login_refused", summary->refused);
    json_number(report->out, "failed", summary->failed);
    fputs("}}\n", report->out);
}

/* ---- the whole ---- */

void compare_report_begin(struct compare_report *report)
{
    if (!report->as_json)
        return;
    fputc('{', report->out);
    json_text(report->out, "old", report->old_name);
    fputc(',', report->out);
    json_text(report->out, "new", report->new_name);
    fputs(",\"users\":[", report->out);
}

static bool is_trouble(const struct compare_side *side)
{
    return side->failure != COMPARE_GOOD && side->failure != COMPARE_FAILURE_LOGIN;
}

static void count(struct compare_summary *summary, const struct compare_finding *finding)
{
    const struct compare_result *result = &finding->result;

    summary->users++;
    if (is_trouble(&finding->old) || is_trouble(&finding->new)) {
        summary->failed++;
    } else if (finding->old.failure != COMPARE_GOOD || finding->new.failure != COMPARE_GOOD) {
        summary->refused++;
    } else {
        summary->same += compare_result_is_same(result);
        summary->all_again += compare_result_is_all_again(result);
        summary->some_again += result->again > 0 && !compare_result_is_all_again(result);
        summary->lost += result->lost > 0;
        summary->added += result->added > 0;
        summary->changed += result->changed > 0;
    }
}

void compare_report_user(struct compare_report *report, const char *user,
                         const struct compare_finding *finding)
{
    uint64_t same = report->summary.same;

    if (report->as_json)
        json_user(report, user, finding);
    count(&report->summary, finding);
    if (!report->as_json && report->summary.same == same)
        put_line(report, user, finding);
}

static void put_users(FILE *out, uint64_t count, const char *one, const char *many)
{
    if (count > 0)
        fprintf(out, "  %6" PRIu64 " %s\n", count, count == 1 ? one : many);
}

void compare_report_end(const struct compare_report *report)
{
    const struct compare_summary *summary = &report->summary;
    FILE *out = report->out;

    if (report->as_json) {
        json_summary(report);
        return;
    }
    fprintf(out, "%" PRIu64 " user%s, %s and %s:\n", summary->users, number_plural(summary->users),
            report->old_name, report->new_name);
    put_users(out, summary->same, "has the same at both", "have the same at both");
    put_users(out, summary->all_again, "downloads everything again", "download everything again");
    put_users(out, summary->some_again, "downloads some messages again", "download some messages again");
    put_users(out, summary->lost, "lacks mail at the new server", "lack mail at the new server");
    put_users(out, summary->added, "has mail only at the new server", "have mail only at the new server");
    put_users(out, summary->changed, "has messages with other content",
              "have messages with other content");
    put_users(out, summary->refused, "cannot log in", "cannot log in");
    put_users(out, summary->failed, "could not be compared", "could not be compared");
}

int compare_report_code(const struct compare_report *report)
{
    if (report->summary.failed + report->summary.refused > 0)
        return TROUBLE;
    return report->summary.same == report->summary.users ? 0 : 1;
}
