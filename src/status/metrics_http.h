/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics over HTTP, by libmicrohttpd. The library is loaded by the one process that needs it:
 * linked to the program, it would double the time every session of a superserver takes to start.
 */
#ifndef STATUS_METRICS_HTTP_H
#define STATUS_METRICS_HTTP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Makes the text of the metrics, to be freed by the receiver; NULL: no memory. */
typedef char *metrics_http_text(size_t *length);

/* Serves GET /metrics on the listening socket from the loop. Returns 0, or -1 with `error` set. */
int metrics_http_start(struct ev_loop *loop, int listen_fd, metrics_http_text *text,
                       struct error *error);

/* No new connections; the socket is closed. */
void metrics_http_stop(void);
/* Somebody is still being answered. */
bool metrics_http_is_busy(void);

#endif
