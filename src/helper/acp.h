/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running the access control program.
 */
#ifndef HELPER_ACP_H
#define HELPER_ACP_H

#include <ev.h>

#include "helper/job.h"

/* Sets what acp_start() needs: the loop, and the socket to the starter (-1: there is none). */
void acp_init(struct ev_loop *loop, int starter_fd);

/*
 * Runs a job of the kind JOB_PROGRAM, whose next fields are the time limit and the values of
 * acp.def: starts the program, sends what it prints as MESSAGE_OUTPUT, then the result. Kills the
 * program's whole process group when the asking side closes its end, or when the limit passes,
 * counted from the arrival of the request. Waits only for the exit of the program itself, not for
 * processes that it leaves behind.
 */
void acp_start(struct job *job);

/* How many programs run. */
unsigned acp_running(void);

#endif
