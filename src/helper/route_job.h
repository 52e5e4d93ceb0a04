/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper's work on MESSAGE_ROUTE: asks the router, then resolves the name of the server that it
 * gave, so that a login needs one request for both.
 */
#ifndef HELPER_ROUTE_JOB_H
#define HELPER_ROUTE_JOB_H

#include <ev.h>

#include "config/conf.h"
#include "helper/message.h"

/* Opens the tables of the instance, if it has any. Returns 0, or -1 when there is no memory. */
int route_job_init(struct ev_loop *loop, const struct conf_instance *conf);
/* Closes them. To be called after resolver_end(). */
void route_job_end(void);

/* Searches that are under way. */
size_t route_job_running(void);

/* Serves the request and takes over `answer_fd`. */
void route_job_run(struct message *request, int answer_fd);

#endif
