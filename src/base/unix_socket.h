/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in the way of a UNIX socket that is to be bound to a path.
 */
#ifndef BASE_UNIX_SOCKET_H
#define BASE_UNIX_SOCKET_H

#include "base/address.h"

enum unix_socket {
    UNIX_SOCKET_FREE,    /* the path does not exist */
    UNIX_SOCKET_STALE,   /* a socket that no process listens on any more */
    UNIX_SOCKET_SERVED,  /* a process listens on it, even if its queue is full */
    UNIX_SOCKET_NOT_ONE, /* the file is something else, or a symbolic link */
    UNIX_SOCKET_UNKNOWN, /* errno says why it cannot be told */
};

/* Checks the path of `address`, of the family AF_UNIX, and waits for nothing. A process that
 * listens on it sees a connection that is closed at once. */
enum unix_socket unix_socket_check(const struct address *address);

#endif
