/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads configurations for the master. Each that can be used gets a number, and is called a
 * generation.
 */
#ifndef MASTER_GENERATIONS_H
#define MASTER_GENERATIONS_H

#include "config/options.h"
#include "pool/pool.h"

/* Reads and checks the settings: the file that the options name, or the options themselves. The
 * caller has a share in the result. NULL after every mistake was reported. */
struct generation *generation_load(const struct options *options, conf_report *report,
                                   void *context);

#endif
