/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each JSON text is kept for a second, or longer if it took long to make: however often browsers
 * ask, making them costs half a percent of a processor at most.
 */
#include "status/status_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log_recent.h"
#include "status/status_certificates.h"
#include "status/status_html.h"
#include "status/status_json.h"

enum {
    KEEP_US = 1000000,
    KEEP_FACTOR = 200, /* kept so many times as long as the text took to make */
    NONCE_OCTETS = 16,
    NONCE_SIZE = 2 * NONCE_OCTETS + 1,
};

typedef void write_text(const struct status_view *view, FILE *out);

/* A text that is kept. */
struct kept {
    char *text;
    size_t length;
    uint64_t number; /* of the text, for its tag */
    int64_t until_us;
};

static struct {
    enum status_page page;
    page_take_view *take;
    const struct status_history *history;
    struct kept totals;
    struct kept sessions;
    uint64_t run; /* tags of an earlier process are not ours */
} state;

/* ---- the texts ---- */

/* A line may name users and clients. Without leave to show them only the first pair is shown, which
 * is the event. */
static void write_warning(const struct log_recent *line, FILE *out)
{
    char text[LOG_RECENT_BYTES];
    size_t shown = state.page == STATUS_PAGE_SESSIONS ? strlen(line->text)
                                                      : strcspn(line->text, " ");

    snprintf(text, sizeof(text), "%.*s", (int)shown, line->text);
    fprintf(out, "{\"at\":%" PRId64 ",", line->at);
    json_text(out, "severity", log_level_word(line->level));
    fputc(',', out);
    json_text(out, "line", text);
    fputc('}', out);
}

static void write_warnings(FILE *out)
{
    static struct log_recent lines[LOG_RECENT_MAX];
    size_t count = log_recent_copy(lines);

    fputs("\"warnings\":[", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "\n" : ",\n", out);
        write_warning(&lines[i], out);
    }
    fputc(']', out);
}

static void write_totals(const struct status_view *view, FILE *out)
{
    static const struct status_history none;

    status_json_begin_totals(view, out);
    fputs(",\n", out);
    status_history_json(state.history == NULL ? &none : state.history, out);
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

static int renew(struct kept *kept, write_text *write)
{
    int64_t begin_us = clock_now_us();
    int64_t keep_us;
    size_t length;
    char *text;

    if (kept->text != NULL && begin_us < kept->until_us)
        return 0;
    text = make(write, &length);
    if (text == NULL)
        return -1;
    keep_us = (clock_now_us() - begin_us) * KEEP_FACTOR;
    free(kept->text);
    kept->text = text;
    kept->length = length;
    kept->number++;
    kept->until_us = clock_now_us() + (keep_us > KEEP_US ? keep_us : KEEP_US);
    return 0;
}

/* ---- answers ---- */

static unsigned answer_json(struct kept *kept, write_text *write, const char *known,
                            struct page_answer *answer)
{
    if (renew(kept, write) == -1)
        return 500;
    answer->type = "application/json";
    snprintf(answer->etag, sizeof(answer->etag), "\"%08" PRIx32 "-%" PRIx64 "\"",
             (uint32_t)state.run, kept->number);
    if (known != NULL && strcmp(known, answer->etag) == 0)
        return 304;
    answer->text = malloc(kept->length);
    if (answer->text == NULL)
        return 500;
    memcpy(answer->text, kept->text, kept->length);
    answer->length = kept->length;
    return 200;
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

static char nonce[NONCE_SIZE]; /* of the page that is written now */

static void write_page(const struct status_view *view, FILE *out)
{
    status_html_write(view, state.page == STATUS_PAGE_SESSIONS, nonce, out);
}

static unsigned answer_page(struct page_answer *answer)
{
    if (make_nonce(nonce) == -1)
        return 500;
    answer->type = "text/html; charset=utf-8";
    snprintf(answer->policy, sizeof(answer->policy),
             "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    answer->text = make(write_page, &answer->length);
    return answer->text == NULL ? 500 : 200;
}

void status_page_open(enum status_page page, page_take_view *take,
                      const struct status_history *history)
{
    state.page = page;
    state.take = take;
    state.history = history;
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
        return answer_json(&state.totals, write_totals, known, answer);
    if (strcmp(path, "/sessions.json") == 0 && state.page == STATUS_PAGE_SESSIONS)
        return answer_json(&state.sessions, status_json_sessions, known, answer);
    return 404;
}
