/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is counted of one routing table, in memory that processes share.
 */
#ifndef ROUTE_ROUTE_COUNTS_H
#define ROUTE_ROUTE_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "route/route_answer.h"

/* Questions by what the table answered. */
struct route_counts {
    _Atomic uint64_t results[ROUTE_RESULT_COUNT];
};

#endif
