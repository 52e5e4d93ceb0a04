/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives up root, and checks every step.
 */
#include "base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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

void privileges_harden(bool may_gain)
{
    struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
    if (!may_gain)
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
