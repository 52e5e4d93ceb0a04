/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that another process passes over a UNIX socket. The sender may be broken: it may pass
 * more than were asked for, or such whose close() blocks.
 */
#ifndef BASE_PASSED_H
#define BASE_PASSED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { PASSED_MOST = 253 }; /* SCM_MAX_FD of the kernel: no message brings more */

/* Room for all that one message can bring. With less, the kernel would close what does not fit, and
 * that may block. */
union passed_room {
    struct cmsghdr align;
    char octets[CMSG_SPACE(PASSED_MOST * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

/* Takes the descriptors of a message that recvmsg() has received. Returns true where there are
 * exactly `wanted`, which are in `fds` then. Otherwise all are closed. */
bool passed_take(struct msghdr *header, int *fds, size_t wanted);

/* Closes a descriptor of unknown kind (-1: nothing). A socket with SO_LINGER does not block. */
void passed_close(int fd);

#endif
