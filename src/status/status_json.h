/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON of a view, in parts for the status page. The whole of it is status_render_json().
 */
#ifndef STATUS_STATUS_JSON_H
#define STATUS_STATUS_JSON_H

#include <stdio.h>

#include "status/status_view.h"

/* Begins an object with all that names no user and no client. More keys and } may follow. */
void status_json_begin_totals(const struct status_view *view, FILE *out);

/* An object with the key "sessions". */
void status_json_sessions(const struct status_view *view, FILE *out);

#endif
