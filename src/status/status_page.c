/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The texts are kept for a while (kept_text.h). Of the page only the nonce is new in each answer.
 */
#include "status/status_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "status/kept_text.h"
#include "status/status_certificates.h"
#include "status/status_html.h"
#include "status/status_json.h"
#include "status/status_warnings.h"

enum {
    NONCE_OCTETS = 16,
    NONCE_SIZE = 2 * NONCE_OCTETS + 1,
};

typedef void write_text(const struct status_view *view, FILE *out);

static struct {
    enum status_page page;
    page_take_view *take;
    const struct status_history *history;
    struct kept_text plain; /* the part of the page for browsers without JavaScript */
    struct kept_text totals;
    struct kept_text sessions;
    uint64_t run; /* tags of an earlier process are not ours */
} state;

/* ---- the texts ---- */

static void write_warning(const struct log_recent *line, FILE *out)
{
    fprintf(out, "{\"at\":%" PRId64 ",", line->at);
    json_text(out, "severity", log_level_word(line->level));
    fputc(',', out);
    json_text(out, "line", line->text);
    fputc('}', out);
}

static void write_warnings(FILE *out)
{
    static struct log_recent lines[LOG_RECENT_MAX];
    size_t count = status_warnings_copy(lines, state.page == STATUS_PAGE_SESSIONS);

    fputs("\"warnings\":[", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "\n" : ",\n", out);
        write_warning(&lines[i], out);
    }
    fputc(']', out);
}

static void write_totals(const struct status_view *view, FILE *out)
{
    status_json_begin_totals(view, out);
    fputs(",\n", out);
    status_history_json(state.history, out);
    fputs(",\n", out);
    status_certificates_json(clock_wall_s(), out);
    fputs(",\n", out);
    write_warnings(out);
    fputs("}\n", out);
}

/* Returns NULL when there is no memory. */
static char *make(write_text *write, size_t *length)
{
    struct status_view view;
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    bool is_taken = out != NULL && state.take(&view) == 0;

    if (out == NULL)
        return NULL;
    if (is_taken)
        write(&view, out);
    status_view_free(&view);
    if (fclose(out) == 0 && is_taken)
        return text;
    free(text);
    return NULL;
}

static char *make_totals(size_t *length)
{
    return make(write_totals, length);
}

static char *make_sessions(size_t *length)
{
    return make(status_json_sessions, length);
}

static void write_plain(const struct status_view *view, FILE *out)
{
    status_html_plain(view, state.history, state.page == STATUS_PAGE_SESSIONS, out);
}

static char *make_plain(size_t *length)
{
    return make(write_plain, length);
}

/* ---- answers ---- */

static unsigned answer_json(struct kept_text *kept, kept_text_make *make_text, const char *known,
                            struct page_answer *answer)
{
    if (kept_text_renew(kept, make_text) == -1)
        return 500;
    answer->type = "application/json";
    snprintf(answer->etag, sizeof(answer->etag), "\"%08" PRIx32 "-%" PRIx64 "\"",
             (uint32_t)state.run, kept->number);
    if (known != NULL && strcmp(known, answer->etag) == 0)
        return 304;
    answer->text = kept_text_copy(kept);
    answer->length = kept->length;
    return answer->text == NULL ? 500 : 200;
}

/* Only what has the nonce of this answer is run or styles the page. */
static int make_nonce(char nonce[NONCE_SIZE])
{
    unsigned char octets[NONCE_OCTETS];

    if (getrandom(octets, sizeof(octets), GRND_NONBLOCK) != sizeof(octets))
        return -1;
    for (size_t i = 0; i < NONCE_OCTETS; i++)
        snprintf(nonce + 2 * i, 3, "%02x", octets[i]);
    return 0;
}

static char *make_page(const char *nonce, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);

    if (out == NULL)
        return NULL;
    status_html_write(state.page == STATUS_PAGE_SESSIONS, state.plain.text, nonce, out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static unsigned answer_page(struct page_answer *answer)
{
    char nonce[NONCE_SIZE];

    if (make_nonce(nonce) == -1 || kept_text_renew(&state.plain, make_plain) == -1)
        return 500;
    answer->type = "text/html; charset=utf-8";
    snprintf(answer->policy, sizeof(answer->policy),
             "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    answer->text = make_page(nonce, &answer->length);
    return answer->text == NULL ? 500 : 200;
}

void status_page_open(enum status_page page, page_take_view *take,
                      const struct status_history *history)
{
    static const struct status_history none;

    state.page = page;
    state.take = take;
    state.history = history == NULL ? &none : history;
    state.run = (uint64_t)clock_now_us();
}

unsigned status_page_answer(const char *path, const char *known, struct page_answer *answer)
{
    *answer = (struct page_answer){0};
    if (state.page == STATUS_PAGE_NO)
        return 404;
    if (strcmp(path, "/") == 0)
        return answer_page(answer);
    if (strcmp(path, "/status.json") == 0)
        return answer_json(&state.totals, make_totals, known, answer);
    if (strcmp(path, "/sessions.json") == 0 && state.page == STATUS_PAGE_SESSIONS)
        return answer_json(&state.sessions, make_sessions, known, answer);
    return 404;
}
