/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command `explain`: what a reason or an event of the log means, and what to do.
 */
#ifndef STATUS_EXPLAIN_COMMAND_H
#define STATUS_EXPLAIN_COMMAND_H

/* Prints the rows of outcome.def and event.def that have this word. Returns an exit code: 64 with a
 * line on standard error when there is none. */
int explain_command_run(const char *word);

#endif
