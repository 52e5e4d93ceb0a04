/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What confines each kind of process, for `status`.
 */
#ifndef STATUS_STATUS_SANDBOX_H
#define STATUS_STATUS_SANDBOX_H

#include <stdio.h>

/* A table with a row for each kind of process that has been started, also for those that are in no
 * sandbox, and an empty line. */
void status_sandbox_table(FILE *out);

/* The member "sandbox" of the JSON object, with a comma before it. */
void status_sandbox_json(FILE *out);

#endif
