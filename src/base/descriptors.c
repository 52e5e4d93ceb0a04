/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing and counting descriptors. /proc is not needed: a sandbox or chroot may not have it.
 */
#include "base/descriptors.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rlimit first_limit;
static bool is_raised;

static int compare(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;

    return (left > right) - (left < right);
}

void descriptors_close_all_but(int *keep, size_t count)
{
    int next = STDERR_FILENO + 1;

    qsort(keep, count, sizeof(*keep), compare);
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < next)
            continue;
        if (keep[i] > next)
            close_range((unsigned)next, (unsigned)keep[i] - 1, 0);
        next = keep[i] + 1;
    }
    close_range((unsigned)next, ~0U, 0);
}

void descriptors_detach_standard(int except)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null == -1)
        return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fd != except)
            dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
}

void descriptors_raise_limit(void)
{
    struct rlimit raised;

    if (is_raised || getrlimit(RLIMIT_NOFILE, &first_limit) == -1)
        return;
    raised = (struct rlimit){.rlim_cur = first_limit.rlim_max, .rlim_max = first_limit.rlim_max};
    is_raised = setrlimit(RLIMIT_NOFILE, &raised) == 0;
}

void descriptors_restore_limit(void)
{
    if (is_raised)
        (void)setrlimit(RLIMIT_NOFILE, &first_limit);
    is_raised = false;
}
