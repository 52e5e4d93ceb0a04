/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UNIX sockets with a path: what stands in the way of one, and whom its file lets in.
 */
#ifndef BASE_UNIX_SOCKET_H
#define BASE_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/address.h"

enum unix_socket {
    UNIX_SOCKET_FREE,    /* the path does not exist */
    UNIX_SOCKET_STALE,   /* a socket that no process listens on any more */
    UNIX_SOCKET_SERVED,  /* a process listens on it, even if its queue is full */
    UNIX_SOCKET_NOT_ONE, /* the file is something else, or a symbolic link */
    UNIX_SOCKET_UNKNOWN, /* errno says why it cannot be told */
};

/* Of the file of such a socket. */
struct unix_socket_rights {
    bool has_mode; /* false: 0777 less the umask */
    mode_t mode;
    uid_t uid; /* (uid_t)-1: leave the owner as it is */
    gid_t gid; /* (gid_t)-1: the same */
};

/* Checks the path of `address`, of the family AF_UNIX, and waits for nothing. A process that
 * listens on it sees a connection that is closed at once. */
enum unix_socket unix_socket_check(const struct address *address);

/* Binds the socket. If `address` is a path, its file gets these rights, and never has more of them.
 * Returns 0, or -1 with errno. */
int unix_socket_bind(int fd, const struct address *address, const struct unix_socket_rights *rights);

/* Gives them to the file of a socket that is bound already. If `address` is no path, it does nothing.
 * Returns 0, or -1 with errno. */
int unix_socket_set_rights(const struct address *address, const struct unix_socket_rights *rights);

#endif
