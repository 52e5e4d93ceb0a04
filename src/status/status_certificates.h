/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The certificates of the instances and when they expire, for the status page and the metrics.
 */
#ifndef STATUS_STATUS_CERTIFICATES_H
#define STATUS_STATUS_CERTIFICATES_H

#include <stdint.h>
#include <stdio.h>

#include "pool/pool.h"

enum { CERTIFICATES_MAX = 1000 }; /* more are not shown */

/* Remembers the certificates of the newest configuration, before this process lets go of TLS. */
void status_certificates_take(const struct pool *pools);

/* Calls `each` with every certificate: the whole `days` that are left, -1 after the end. */
typedef void status_certificates_take_one(void *context, const char *file, int64_t days);
void status_certificates_each(int64_t now_s, status_certificates_take_one *each, void *context);

/* Writes "certificates":[...]: "file", "expires_at" and the whole "days" that are left, -1 after
 * the end. */
void status_certificates_json(int64_t now_s, FILE *out);

/* Writes the metric certificate_expires_timestamp_seconds. */
void status_certificates_metrics(FILE *out);

#endif
