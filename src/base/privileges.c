/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives up root, and checks every step.
 */
#include "base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

int privileges_drop(uid_t uid, gid_t gid, struct error *error)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) == -1 || setgid(gid) == -1 || setuid(uid) == -1)
        return error_set(error, "cannot become uid %u, gid %u: %s", (unsigned)uid, (unsigned)gid,
                         strerror(errno));
    if (uid != 0 && setuid(0) == 0)
        return error_set(error, "root was given up but could be had back");
    return 0;
}
