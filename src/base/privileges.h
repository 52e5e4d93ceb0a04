/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving up root.
 */
#ifndef BASE_PRIVILEGES_H
#define BASE_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Becomes this user and group, without supplementary groups, for good: it fails where the process
 * can become root again. Does nothing where it is not root. Returns 0, or -1 with `error` set: the
 * caller must then end the process.
 */
int privileges_drop(uid_t uid, gid_t gid, struct error *error);

/* No core file, no ptrace by others, and no more rights by exec unless `may_gain`: an acp may be
 * set-uid. */
void privileges_harden(bool may_gain);

#endif
