/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small operations on files that must be right everywhere.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int file_open_regular(const char *path, struct stat *status_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    if (fd == -1 || fstat(fd, &status) == -1)
        return file_close_failed(fd);
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return file_close_failed(fd);
    }
    if (status_r != NULL)
        *status_r = status;
    return fd;
}

bool file_may_be_link(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0;
}

bool file_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool file_is_at(int fd, const char *path)
{
    struct stat ours;
    struct stat found;

    return fd != -1 && path != NULL && fstat(fd, &ours) == 0 && lstat(path, &found) == 0 &&
           file_is_same(&ours, &found);
}

int file_close_failed(int fd)
{
    int error = errno;

    if (fd != -1)
        close(fd);
    errno = error;
    return -1;
}
