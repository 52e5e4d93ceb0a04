/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connect() tells whether a process listens on a UNIX socket.
 */
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
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

/* The kernel gives the file of a UNIX socket the mode of the socket, less the umask. */
static int bind_with_mode(int fd, const struct address *address,
                          const struct unix_socket_rights *rights)
{
    mode_t before;
    int result;

    if (address->sa.sa_family != AF_UNIX || !rights->has_mode)
        return bind(fd, &address->sa, address->length);
    (void)!fchmod(fd, rights->mode);
    before = umask(0);
    result = bind(fd, &address->sa, address->length);
    umask(before);
    return result;
}

/* A link that has taken the place of the socket is not followed. */
static int set_owner(const struct address *address, const struct unix_socket_rights *rights)
{
    if (address->sa.sa_family != AF_UNIX || (rights->uid == (uid_t)-1 && rights->gid == (gid_t)-1))
        return 0;
    return lchown(address->local.sun_path, rights->uid, rights->gid);
}

int unix_socket_bind(int fd, const struct address *address, const struct unix_socket_rights *rights)
{
    return bind_with_mode(fd, address, rights) == -1 ? -1 : set_owner(address, rights);
}

int unix_socket_set_rights(const struct address *address, const struct unix_socket_rights *rights)
{
    if (address->sa.sa_family != AF_UNIX)
        return 0;
    if (set_owner(address, rights) == -1)
        return -1;
    return !rights->has_mode ? 0
                             : fchmodat(AT_FDCWD, address->local.sun_path, rights->mode,
                                        AT_SYMLINK_NOFOLLOW);
}
