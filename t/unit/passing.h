/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a broken process may pass over a UNIX socket, for the tests of those that receive it.
 */
#ifndef T_UNIT_PASSING_H
#define T_UNIT_PASSING_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/passed.h"

/* Sends `length` octets and `count` copies of `fd` (at most PASSED_MOST). Returns what sendmsg() does. */
static inline ssize_t pass_descriptors(int socket_fd, const void *data, size_t length, int fd,
                                       size_t count)
{
    union passed_room room;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};

    memset(&room, 0, sizeof(room));
    if (count > 0) {
        header.msg_control = &room;
        header.msg_controllen = CMSG_SPACE(count * sizeof(fd));
        room.align.cmsg_level = SOL_SOCKET;
        room.align.cmsg_type = SCM_RIGHTS;
        room.align.cmsg_len = CMSG_LEN(count * sizeof(fd));
    }
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(&room.align) + i * sizeof(fd), &fd, sizeof(fd));
    return sendmsg(socket_fd, &header, 0);
}

static inline int count_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 512; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

/* A connection whose close() waits for an hour, because its other end, *reader_r, reads nothing. -1 on
 * failure. */
static inline int open_lingering(int *reader_r)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger linger = {.l_onoff = 1, .l_linger = 3600};
    static char data[65536];
    socklen_t size = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *reader_r = -1;
    if (listener == -1 || fd == -1 || bind(listener, (struct sockaddr *)&name, size) == -1 ||
        listen(listener, 1) == -1 || getsockname(listener, (struct sockaddr *)&name, &size) == -1 ||
        connect(fd, (struct sockaddr *)&name, size) == -1)
        return -1;
    *reader_r = accept(listener, NULL, NULL);
    close(listener);
    while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
        continue;
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == -1 ? -1 : fd;
}

#endif
