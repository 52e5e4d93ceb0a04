/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes passed descriptors one by one, so that no count of the sender is the size of an array.
 */
#include "base/passed.h"

#include <string.h>
#include <unistd.h>

void passed_close(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};

    if (fd == -1)
        return;
    /* Fails for what is not a socket. No such file blocks in close() that a process in a sandbox can
     * open. */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(fd);
}

static size_t count_in(const struct cmsghdr *part)
{
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
        return 0;
    return (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static int get_one(const struct cmsghdr *part, size_t index)
{
    int fd;

    memcpy(&fd, CMSG_DATA(part) + index * sizeof(fd), sizeof(fd));
    return fd;
}

bool passed_take(struct msghdr *header, int *fds, size_t wanted)
{
    size_t count = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
         part = CMSG_NXTHDR(header, part)) {
        for (size_t i = 0; i < count_in(part); i++, count++) {
            int fd = get_one(part, i);
            if (count < wanted)
                fds[count] = fd;
            else
                passed_close(fd);
        }
    }
    if (count == wanted && (header->msg_flags & MSG_CTRUNC) == 0)
        return true;
    for (size_t i = 0; i < count && i < wanted; i++)
        passed_close(fds[i]);
    return false;
}
