/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that fail under fuzzing: memory that runs out, and a file that cannot be read. A target runs
 * its input once as it is, and again with one of these calls failing. The functions are replaced at
 * link time (--wrap), and fail only between shortage_begin() and shortage_end().
 */
#ifndef FUZZ_SHORTAGE_H
#define FUZZ_SHORTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void shortage_case(const uint8_t *data, size_t size);

/*
 * Runs the case with no failing call, and then again. A fuzzer runs it once more: the input decides
 * which call fails. Without one, where the corpus is replayed, each of the first calls fails once,
 * and then some of the others.
 */
void shortage_run(shortage_case *run, const uint8_t *data, size_t size);

/* Around the code under test. shortage_end() returns true if a call has failed in this run. */
void shortage_begin(void);
bool shortage_end(void);

/* For a function that a single target replaces: true if this call must fail, with errno set. */
bool shortage_strikes(int error);

#endif
