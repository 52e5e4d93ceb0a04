/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serves the metrics and the status page over HTTP with libmicrohttpd. Only the one process that
 * needs the library loads it: linked to the program, it would double the time that each session of
 * a superserver takes to start.
 */
#ifndef STATUS_METRICS_HTTP_H
#define STATUS_METRICS_HTTP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Makes the text of the metrics, which the caller frees; NULL when there is no memory. */
typedef char *metrics_http_text(size_t *length);

/* Serves GET /metrics and the paths of status_page.h on the listening socket from the loop. Returns
 * 0, or -1 with `error` set. */
int metrics_http_start(struct ev_loop *loop, int listen_fd, metrics_http_text *text,
                       struct error *error);

/* Takes no more connections and closes the socket. */
void metrics_http_stop(void);
/* Whether a client is still connected. */
bool metrics_http_is_busy(void);

#endif
