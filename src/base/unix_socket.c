/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a process listens on a UNIX socket: connect() tells.
 */
#include "base/unix_socket.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static enum unix_socket result_of(int error)
{
    switch (error) {
    case 0:
    case EAGAIN: /* its queue is full */
        return UNIX_SOCKET_SERVED;
    case ECONNREFUSED:
        return UNIX_SOCKET_STALE;
    case ENOENT:
        return UNIX_SOCKET_FREE;
    default:
        errno = error;
        return UNIX_SOCKET_UNKNOWN;
    }
}

enum unix_socket unix_socket_check(const struct address *address)
{
    struct stat found;
    int error;
    int fd;

    if (lstat(address->local.sun_path, &found) == -1)
        return result_of(errno);
    if (!S_ISSOCK(found.st_mode))
        return UNIX_SOCKET_NOT_ONE;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return UNIX_SOCKET_UNKNOWN;
    error = connect(fd, &address->sa, address->length) == 0 ? 0 : errno;
    close(fd);
    return result_of(error);
}
