/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limits that every Linux has: no capabilities, no core file, no tracing, no further processes.
 */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sandbox_parts.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE             65 /* Linux 6.3 */
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

enum { CAPABILITY_LAST = 63 }; /* the kernel refuses numbers that it does not have */

/* Children inherit all of this, so what the parent has done is not done again. */
static bool is_bound;
static bool has_limits;

void sandbox_limits_bound(void)
{
    for (unsigned long capability = 0; capability <= CAPABILITY_LAST && !is_bound; capability++) {
        int has_it = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

        if (has_it == -1)
            break;
        if (has_it == 1 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1)
            return;
    }
    is_bound = true;
}

/* A program that root executes gets what is in the bounding set, and what is inheritable. */
static bool keep_over_exec(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[_LINUX_CAPABILITY_U32S_3] = {{0}};
    int bits = prctl(PR_GET_SECUREBITS);

    if (geteuid() != 0 || bits == -1 || (bits & SECBIT_NOROOT) != 0 ||
        syscall(SYS_capget, &header, own) == -1)
        return false;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        own[i].inheritable |= own[i].permitted;
    return syscall(SYS_capset, &header, own) == 0;
}

void sandbox_limits_bound_children(void)
{
    if (!is_bound && keep_over_exec())
        sandbox_limits_bound();
}

/* A service manager may have given them to a process that is not root. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    (void)syscall(SYS_capset, &header, none);
}

static void set_none(__rlimit_resource_t resource)
{
    const struct rlimit none = {0, 0};

    (void)setrlimit(resource, &none);
}

void sandbox_limits_always(void)
{
    if (has_limits)
        return;
    has_limits = true;
    set_none(RLIMIT_CORE);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    drop_capabilities();
}

bool sandbox_limits_enter(unsigned limits)
{
    const struct rlimit none = {0, 0};
    bool holds = limits != 0;

    if ((limits & SANDBOX_LIMIT_NO_FORK) != 0)
        holds &= setrlimit(RLIMIT_NPROC, &none) == 0;
    if ((limits & SANDBOX_LIMIT_NO_CODE) != 0)
        holds &= prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0;
    return holds;
}
