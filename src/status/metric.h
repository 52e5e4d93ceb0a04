/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all metrics in the text format of Prometheus begin with.
 */
#ifndef STATUS_METRIC_H
#define STATUS_METRIC_H

#include <stdio.h>

/* Writes what comes once before the values of a metric. `name` is without the prefix, `type` is
 * "counter", "gauge" or "histogram". */
static inline void metric_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP pop3_proxy_%s %s\n# TYPE pop3_proxy_%s %s\n", name, help, name, type);
}

#endif
