/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing and counting descriptors. /proc helps where close_range() is missing, but is not needed: a
 * chroot may not have it.
 */
#include "base/descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
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

/* The soft limit says nothing: it may have been lowered after a descriptor was opened. */
static int most_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_max > INT_MAX)
        return INT_MAX;
    return (int)limit.rlim_max;
}

/* Returns false where /proc does not tell which descriptors are open. */
static bool close_listed(int first, int last)
{
    DIR *list = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (list == NULL)
        return false;
    /* Closing one does not change the places of the others in this list. */
    while ((entry = readdir(list)) != NULL) {
        int fd = atoi(entry->d_name);
        if (fd >= first && fd <= last && fd != dirfd(list))
            close(fd);
    }
    closedir(list);
    return true;
}

static void close_between(int first, int last)
{
    if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0 ||
        close_listed(first, last))
        return;
    if (last >= most_descriptors())
        last = most_descriptors() - 1;
    for (int fd = first; fd <= last; fd++)
        close(fd);
}

void descriptors_close_from(int first)
{
    close_between(first, INT_MAX);
}

void descriptors_close_all_but(int *keep, size_t count)
{
    int next = STDERR_FILENO + 1;

    qsort(keep, count, sizeof(*keep), compare);
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < next)
            continue;
        close_between(next, keep[i] - 1);
        next = keep[i] + 1;
    }
    close_between(next, INT_MAX);
}

int descriptors_detach_standard(int except)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null == -1)
        return -1;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fd != except)
            dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
    return 0;
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
