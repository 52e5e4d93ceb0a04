/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes, reads, sends and receives messages. Knows nothing of what they ask for.
 */
#include "helper/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/passed.h"

bool message_is_last(enum message_kind kind)
{
    return kind == MESSAGE_ROUTED || kind == MESSAGE_ADDRESSES || kind == MESSAGE_RESULT;
}

void message_write_head(char head[MESSAGE_HEAD_BYTES], enum message_kind kind, uint32_t number)
{
    head[0] = (char)kind;
    memcpy(head + 1, &number, sizeof(number));
}

void message_begin(struct message *message, char *memory, size_t size, enum message_kind kind)
{
    *message = (struct message){.data = memory, .size = size, .length = MESSAGE_HEAD_BYTES};
    message_write_head(memory, kind, 0);
}

void message_set_number(struct message *message, uint32_t number)
{
    message->number = number;
    memcpy(message->data + 1, &number, sizeof(number));
}

void message_put(struct message *message, const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);

    if (message->size - message->length < length + 1) {
        message->is_bad = true;
        return;
    }
    if (length > 0)
        memcpy(message->data + message->length, text, length);
    message->data[message->length + length] = '\0';
    message->length += length + 1;
}

void message_put_marked(struct message *message, const char *text)
{
    if (text == NULL) {
        message_put(message, "");
        return;
    }
    if (message->size - message->length < strlen(text) + 2) {
        message->is_bad = true;
        return;
    }
    message->data[message->length++] = '=';
    message_put(message, text);
}

void message_put_number(struct message *message, int64_t number)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRId64, number);
    message_put(message, digits);
}

int message_open(struct message *message, char *data, size_t length)
{
    *message = (struct message){
        .data = data, .size = length, .length = length, .at = MESSAGE_HEAD_BYTES};
    if (length < MESSAGE_HEAD_BYTES) {
        message->is_bad = true;
        return 0;
    }
    memcpy(&message->number, data + 1, sizeof(message->number));
    return data[0];
}

const char *message_get(struct message *message)
{
    const char *text = message->data + message->at;
    const char *end = NULL;

    if (message->at < message->length)
        end = memchr(text, '\0', message->length - message->at);
    if (end == NULL) {
        message->is_bad = true;
        return "";
    }
    message->at += (size_t)(end - text) + 1;
    return text;
}

const char *message_get_marked(struct message *message)
{
    const char *text = message_get(message);

    return text[0] == '=' ? text + 1 : NULL;
}

int64_t message_get_number(struct message *message)
{
    const char *text = message_get(message);
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || errno != 0) {
        message->is_bad = true;
        return 0;
    }
    return number;
}

bool message_is_done(const struct message *message)
{
    return !message->is_bad && message->at == message->length;
}

const char *message_rest(struct message *message, size_t *length_r)
{
    const char *rest = message->data + message->at;

    *length_r = message->length - message->at;
    message->at = message->length;
    return rest;
}

/* The other side has closed its end. ECONNRESET: without having read all that was sent. */
static bool is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET;
}

enum io_status message_send(int fd, const void *data, size_t length, int passed_fd,
                            int64_t deadline_ms)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};

    if (passed_fd != -1) {
        header.msg_control = &control;
        header.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &passed_fd, sizeof(int));
    }
    for (;;) {
        if (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) != -1)
            return IO_OK;
        if (errno != EAGAIN && errno != EINTR)
            return is_gone(errno) ? IO_EOF : IO_FAILED;
        enum io_status status = wait_for_one(fd, POLLOUT, deadline_ms);
        if (status != IO_OK)
            return status;
    }
}

/* Only such a socket can neither block nor delay this process. */
static bool is_of_a_pair(int fd)
{
    int domain, type;
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* A broken sender may pass several, to fill our descriptor table, or something else. */
static int take_descriptor(struct msghdr *header)
{
    int fd;

    if (!passed_take(header, &fd, 1))
        return -1;
    if (is_of_a_pair(fd))
        return fd;
    passed_close(fd);
    return -1;
}

static pid_t sender_of(const struct cmsghdr *control)
{
    struct ucred sender;

    memcpy(&sender, CMSG_DATA(control), sizeof(sender));
    return sender.pid;
}

/* The process that has sent the message; 0: the kernel does not say it. */
static pid_t get_sender(struct msghdr *header)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
         part = CMSG_NXTHDR(header, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS)
            return sender_of(part);
    return 0;
}

enum io_status message_receive(int fd, void *data, size_t size, int64_t deadline_ms,
                               size_t *length_r, int *passed_fd_r, pid_t *sender_r)
{
    for (;;) {
        union passed_room control;
        struct iovec piece = {.iov_base = data, .iov_len = size};
        struct msghdr header = {.msg_iov = &piece,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = sizeof(control)};
        bool is_waiting = deadline_ms != CLOCK_PASSED;
        enum io_status status = is_waiting ? wait_for_one(fd, POLLIN, deadline_ms) : IO_OK;

        if (status != IO_OK)
            return status;
        ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got != -1) {
            *length_r = (size_t)got;
            *sender_r = get_sender(&header);
            *passed_fd_r = take_descriptor(&header);
            if (got > 0 || *sender_r != 0)
                return IO_OK;
            passed_close(*passed_fd_r);
            *passed_fd_r = -1;
            return IO_EOF;
        }
        if (errno != EAGAIN && errno != EINTR)
            return is_gone(errno) ? IO_EOF : IO_FAILED;
        if (errno == EAGAIN && !is_waiting)
            return IO_DEADLINE;
    }
}

enum io_status message_read(int fd, void *data, size_t size, size_t *length_r)
{
    ssize_t got;

    do {
        got = recv(fd, data, size, MSG_DONTWAIT);
    } while (got == -1 && errno == EINTR);
    if (got > 0) {
        *length_r = (size_t)got;
        return IO_OK;
    }
    if (got == 0 || is_gone(errno))
        return IO_EOF;
    return errno == EAGAIN ? IO_AGAIN : IO_FAILED;
}
