/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving up root.
 */
#ifndef BASE_PRIVILEGES_H
#define BASE_PRIVILEGES_H

#include <sys/types.h>

#include "base/error.h"

/*
 * Becomes this user and group, without supplementary groups, for good: it fails where the process
 * can become root again. Does nothing where it is not root. Returns 0, or -1 with `error` set: the
 * caller must then end the process.
 */
int privileges_drop(uid_t uid, gid_t gid, struct error *error);

#endif
