/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two kinds of worker. For the files of the worker alone.
 *
 * A worker first prepares, while it can still open descriptors: that returns one to keep open, or
 * -1. Then the process gives up its rights, and the worker runs until it is to leave. It returns the
 * exit code of the process.
 */
#ifndef POOL_WORKER_KINDS_H
#define POOL_WORKER_KINDS_H

#include "pool/worker_base.h"

/* One session after the other, each with the whole process to itself. */
int worker_one_prepare(const struct worker *worker);
int worker_one_run(struct worker *worker);

/* Up to sessions_per_worker at once. */
int worker_many_prepare(const struct worker *worker);
int worker_many_run(struct worker *worker);

#endif
