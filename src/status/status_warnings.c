/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line begins with its event, and a blank separates its pairs.
 */
#include "status/status_warnings.h"

#include <string.h>

size_t status_warnings_copy(struct log_recent lines[LOG_RECENT_MAX], bool has_names)
{
    size_t count = log_recent_copy(lines);

    for (size_t i = 0; i < count && !has_names; i++)
        lines[i].text[strcspn(lines[i].text, " ")] = '\0';
    return count;
}
