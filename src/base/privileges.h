/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving root up.
 */
#ifndef BASE_PRIVILEGES_H
#define BASE_PRIVILEGES_H

#include <sys/types.h>

#include "base/error.h"

/*
 * Becomes this user and group, without supplementary groups, for good: it is an error if root can
 * be had back. Does nothing when the process is not root. Returns 0, or -1 with `error` set; the
 * caller must then end the process.
 */
int privileges_drop(uid_t uid, gid_t gid, struct error *error);

/* No core file, no ptrace by others, no new privileges by exec unless `may_gain` (an acp may be
 * set-uid). */
void privileges_harden(int may_gain);

#endif
