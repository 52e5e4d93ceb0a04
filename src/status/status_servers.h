/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers of groups, as the status shows them.
 */
#ifndef STATUS_STATUS_SERVERS_H
#define STATUS_STATUS_SERVERS_H

#include "status/status_view.h"

/* Adds the servers of the newest configuration to the view. Returns 0, or -1 when there is no
 * memory. */
int status_servers_take(struct status_view *view, const struct pool *pools);

/* A table of all servers for people; nothing where there are none. */
void status_servers_table(const struct status_view *view, FILE *out);

/* The key "servers" of the JSON, and the metrics. */
void status_servers_json(const struct status_view *view, FILE *out);
void status_servers_metrics(const struct status_view *view, FILE *out);

/* The compact form. Reading returns 0, or -1 when the text is malformed; view->server_count is
 * set. */
void status_servers_write(const struct status_view *view, FILE *out);
int status_servers_read(struct status_view *view, FILE *in);

#endif
