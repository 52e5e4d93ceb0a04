/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The status page: one page of HTML for a browser, which asks for the numbers again and again, and
 * the JSON that it asks for. Without JavaScript the page is a few tables and loads itself again.
 *
 *   /               the page
 *   /status.json    everything that names no user and no client
 *   /sessions.json  the sessions, if they may be shown
 */
#ifndef STATUS_STATUS_PAGE_H
#define STATUS_STATUS_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "status/status_history.h"
#include "status/status_view.h"

/* As the key status_page has them. */
enum status_page { STATUS_PAGE_NO, STATUS_PAGE_TOTALS, STATUS_PAGE_SESSIONS };

/* What is answered to a request. */
struct page_answer {
    const char *type;
    char *text; /* of malloc(); NULL: 304, the client has it already */
    size_t length;
    char etag[24];    /* empty: none */
    char policy[256]; /* Content-Security-Policy; empty: none */
};

/* Fills a view; returns 0, or -1 when there is no memory. */
typedef int page_take_view(struct status_view *view);

/* Sets what is shown, before the first request. `history` may be NULL. */
void status_page_open(enum status_page page, page_take_view *take,
                      const struct status_history *history);

/* Answers a request for this path. `known` is the tag of what the client has, or NULL. Returns 200,
 * 304, 404, or 500 when there is no memory. */
unsigned status_page_answer(const char *path, const char *known, struct page_answer *answer);

#endif
