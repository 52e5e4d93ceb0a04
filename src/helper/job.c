/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending answers. The helper serves many sessions, so no send may block.
 */
#include "helper/job.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

enum io_status job_answer(int answer_fd, enum message_kind kind, const void *data, size_t length)
{
    char first = (char)kind;
    struct iovec pieces[2] = {{.iov_base = &first, .iov_len = 1},
                              {.iov_base = (void *)(uintptr_t)data, .iov_len = length}};
    struct msghdr header = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t sent;

    do {
        sent = sendmsg(answer_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    if (sent != -1)
        return IO_OK;
    return errno == EAGAIN || errno == ENOBUFS ? IO_AGAIN : IO_FAILED;
}

void job_finish(int answer_fd, enum message_result result)
{
    char octet = (char)result;

    /* Where even this does not fit, the close tells the asking side that nothing more comes. */
    (void)job_answer(answer_fd, MESSAGE_RESULT, &octet, 1);
    close(answer_fd);
}
