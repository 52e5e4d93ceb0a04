/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The HTML of the status page: the sources in status/page, and the tables for browsers without
 * JavaScript.
 */
#ifndef STATUS_STATUS_HTML_H
#define STATUS_STATUS_HTML_H

#include <stdbool.h>
#include <stdio.h>

#include "status/status_history.h"
#include "status/status_view.h"

/* Writes the part of the page that browsers without JavaScript show. */
void status_html_plain(const struct status_view *view, const struct status_history *history,
                       bool has_sessions, FILE *out);

/* Writes the whole page; `plain` is what status_html_plain() has written, and `nonce` what the
 * policy of the answer lets run. */
void status_html_write(bool has_sessions, const char *plain, const char *nonce, FILE *out);

#endif
