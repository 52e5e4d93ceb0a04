/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON of a view, in parts for the status page. The whole of it is status_render_json().
 */
#ifndef STATUS_STATUS_JSON_H
#define STATUS_STATUS_JSON_H

#include <stdio.h>

#include "status/status_view.h"

/* "key":"text" and ,"key":value. Only printable ASCII is written. */
void json_text(FILE *out, const char *key, const char *text);
void json_number(FILE *out, const char *key, uint64_t value);

/* Begins an object with all that names no user and no client. More keys and } may follow. */
void status_json_begin_totals(const struct status_view *view, FILE *out);

/* An object with the key "sessions". */
void status_json_sessions(const struct status_view *view, FILE *out);

#endif
