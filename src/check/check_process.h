/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that checks the servers of all groups, and notes in shared memory which are up. It has
 * neither rights nor a private key, but for server_tls_certificate where that is set. It lives until
 * the master kills it or dies.
 */
#ifndef CHECK_CHECK_PROCESS_H
#define CHECK_CHECK_PROCESS_H

#include <sys/types.h>

#include "config/conf.h"

/* Whether the configuration has servers to be checked. */
bool check_is_needed(const struct conf *conf);

/* Runs the process, in a fresh child of the master with all signals blocked. Returns its exit
 * code. */
int check_process_run(const struct conf *conf, pid_t master_pid);

#endif
