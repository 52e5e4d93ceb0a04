/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a view in the forms in which it is shown. Its texts come from the network or from a
 * worker's memory; none of them can forge a row, a key or a label.
 */
#ifndef STATUS_STATUS_RENDER_H
#define STATUS_STATUS_RENDER_H

#include <stdio.h>

#include "status/status_view.h"

/* Tables for people: the pools, the totals, how sessions ended, and a row for each session. */
void status_render_table(const struct status_view *view, FILE *out);

/* The servers of groups alone. */
void status_render_servers(const struct status_view *view, FILE *out);

/* The tables of the live view. */
enum status_tables {
    STATUS_TABLE_POOLS = 1,
    STATUS_TABLE_TOTALS = 2,
    STATUS_TABLE_SESSIONS = 4,
    STATUS_TABLES_ALL = 7,
};

/* One picture of the live view: the totals as rates per second since `before` (NULL: as they are),
 * and the sessions in the order of the view. `tables` are those that are shown. */
void status_render_live(const struct status_view *view, const struct status_view *before,
                        enum status_tables tables, FILE *out);

/* One JSON object, on several lines. */
void status_render_json(const struct status_view *view, FILE *out);

/* The text format of Prometheus, version 0.0.4. */
void status_render_metrics(const struct status_view *view, FILE *out);

#endif
