/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command `compare`: logs users in at two servers and says what a move from one to the other
 * means for each of them.
 */
#ifndef COMPARE_COMPARE_H
#define COMPARE_COMPARE_H

enum { COMPARE_EXIT_TROUBLE = 2 };

/* argv[0] is the word `compare`. Prints the report to standard output, and how far it has come to
 * standard error if that is a terminal. Returns the exit code: 0 all are the same, 1 there are
 * differences, 2 something could not be compared. */
int compare_run(int argc, char *const argv[]);

#endif
