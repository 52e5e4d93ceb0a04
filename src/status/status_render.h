/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A view in the forms in which it is shown. Every text of it came from the network or from a
 * worker's memory, and none of them can forge a row, a key or a label.
 */
#ifndef STATUS_STATUS_RENDER_H
#define STATUS_STATUS_RENDER_H

#include <stdio.h>

#include "status/status_view.h"

/* For people: the pools, the totals, how sessions ended, a row a session. */
void status_render_table(const struct status_view *view, FILE *out);

/*
 * One picture of the live view: totals as rates per second since `before` (NULL: as they are), and
 * the sessions in the order they have.
 */
void status_render_live(const struct status_view *view, const struct status_view *before,
                        FILE *out);

/* One JSON object. */
void status_render_json(const struct status_view *view, FILE *out);

/* The text format of Prometheus, version 0.0.4. */
void status_render_metrics(const struct status_view *view, FILE *out);

#endif
