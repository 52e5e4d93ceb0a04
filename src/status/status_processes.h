/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processes of the server use of the machine, for the metrics.
 */
#ifndef STATUS_STATUS_PROCESSES_H
#define STATUS_STATUS_PROCESSES_H

#include <stdio.h>
#include <sys/types.h>

#include "pool/pool.h"

/* Writes process_private_memory_bytes and process_open_descriptors, with the label process: master,
 * status or workers (the sum). A kernel before Linux 6.2 does not tell how many descriptors are
 * open, and then that metric is left out. */
void status_processes_metrics(const struct pool *pools, pid_t master_pid, FILE *out);

#endif
