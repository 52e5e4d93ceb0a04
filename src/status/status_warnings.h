/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recent warnings as the status page may show them.
 */
#ifndef STATUS_STATUS_WARNINGS_H
#define STATUS_STATUS_WARNINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log_recent.h"

/* Copies the last lines of the log with severity warning or worse, the oldest first, and returns how
 * many there are. A line may name users and clients: if `has_names` is false, only its first pair is
 * copied, which is the event. */
size_t status_warnings_copy(struct log_recent lines[LOG_RECENT_MAX], bool has_names);

#endif
