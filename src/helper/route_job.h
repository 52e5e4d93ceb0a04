/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper's work on MESSAGE_ROUTE: asks the router, then resolves the name of the server that it
 * gave, so that a login needs one request for both.
 */
#ifndef HELPER_ROUTE_JOB_H
#define HELPER_ROUTE_JOB_H

#include <ev.h>

#include "config/conf.h"
#include "helper/job.h"
#include "route/route_counts.h"
#include "route/route_table.h"

/* Opens the tables of the instance, if it has any, and counts in `counts` what each answers (NULL:
 * nowhere). Returns 0, or -1 when there is no memory. */
int route_job_init(struct ev_loop *loop, const struct conf_instance *conf,
                   struct route_counts *const *counts);
/* Closes them. To be called after resolver_end(). */
void route_job_end(void);

/* Looks names up for tables, by the resolver: the `resolve` of struct route_environment. */
void route_job_resolve(const void *context, const char *host, route_resolved *resolved, void *who);

/* Runs a job of the kind JOB_ROUTE, whose next fields are the members of struct
 * helper_question. */
void route_job_start(struct job *job);

#endif
