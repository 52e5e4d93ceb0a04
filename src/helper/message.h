/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between sessions and the helper. A message is one datagram: its kind, the number of the
 * question, then its fields, each a text with a NUL. The helper trusts none of them: it parses each
 * field, and drops a message that does not have exactly the fields of its kind.
 *
 * A pair of sockets carries one question after the other. Each message of an answer has the number
 * of its question, so the answer to one session is never taken for the answer to another.
 */
#ifndef HELPER_MESSAGE_H
#define HELPER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/wait.h"

enum {
    /* The largest is MESSAGE_ACCESS: user name and password may each fill a SASL line. */
    MESSAGE_BYTES = 64 * 1024,
    MESSAGE_OUTPUT_BYTES = 4096, /* a piece of an acp's output, or the addresses of a name */
    MESSAGE_RECORD_BYTES = 2048, /* a line of the client log */
    MESSAGE_SESSION_SIZE = 32,   /* a session's id, for the log */
    MESSAGE_HEAD_BYTES = 1 + sizeof(uint32_t), /* kind and number */
    /* Pairs of sockets that a worker keeps for its next questions. The helper keeps as many again,
     * since it cannot know which of them the worker closes. */
    MESSAGE_PAIRS_KEPT = 8,
};

enum message_kind {
    MESSAGE_RESOLVE = 1,   /* session id, account, host, enum helper_extent */
    MESSAGE_ACCESS,        /* session id, account, time limit in ms, values in acp.def's order */
    MESSAGE_RECORD_CLIENT, /* session id, file name, line */
    MESSAGE_ROUTE,         /* session id, account, the members of struct helper_question */
    MESSAGE_ROUTED,        /* result, whether it is stale, table, then a text for each field: "="
                              and its value, or nothing where it is not set */
    MESSAGE_ROUTED_PART,   /* the same, and MESSAGE_ADDRESSES of the server follows */
    MESSAGE_ADDRESSES,     /* struct helper_addresses as it is in memory */
    MESSAGE_OUTPUT,        /* octets that the acp printed */
    MESSAGE_RESULT,        /* one octet of enum message_result */
};

enum message_result {
    MESSAGE_RESULT_DONE = 1, /* access granted, line recorded */
    MESSAGE_RESULT_DENIED,
    MESSAGE_RESULT_TIME_LIMIT,
    MESSAGE_RESULT_FAILED,
};

/* A message that is written or read, in the caller's memory. */
struct message {
    char *data;
    size_t size;   /* of the memory */
    size_t length; /* of the message */
    size_t at;     /* reading position */
    uint32_t number;
    bool is_bad; /* it did not fit while written, or is malformed while read */
};

/* Whether an answer ends with a message of this kind. */
bool message_is_last(enum message_kind kind);

/* Begins to write a message with the number 0. */
void message_begin(struct message *message, char *memory, size_t size, enum message_kind kind);
void message_set_number(struct message *message, uint32_t number);
/* Writes what every message begins with. */
void message_write_head(char head[MESSAGE_HEAD_BYTES], enum message_kind kind, uint32_t number);
void message_put(struct message *message, const char *text); /* NULL: an empty text */
/* Puts "=" and the text, or nothing at all for NULL: message_get_marked() tells them apart. */
void message_put_marked(struct message *message, const char *text);
void message_put_number(struct message *message, int64_t number);

/* Begins to read. Returns the kind, or 0 where the message does not even have that and a number. */
int message_open(struct message *message, char *data, size_t length);
/* The next field, which points into the message; "", with is_bad set, where there is none. */
const char *message_get(struct message *message);
/* NULL where NULL was put. */
const char *message_get_marked(struct message *message);
int64_t message_get_number(struct message *message);
/* Every field that was asked for was there, and no other is left. */
bool message_is_done(const struct message *message);
/* All that is left, which is not text. */
const char *message_rest(struct message *message, size_t *length_r);

/* Sends one message, with a descriptor unless `passed_fd` is -1. IO_EOF: the other side is gone. */
enum io_status message_send(int fd, const void *data, size_t length, int passed_fd,
                            int64_t deadline_ms);

/* Receives one message. With the limit CLOCK_PASSED it does not wait: call it when there is one.
 * *passed_fd_r: the SOCK_SEQPACKET UNIX socket that came with it, or -1; other descriptors are
 * closed. *sender_r: the process that sent it, where SO_PASSCRED lets the kernel say so, or 0.
 * IO_EOF: the other side is gone; without SO_PASSCRED an empty message looks the same. */
enum io_status message_receive(int fd, void *data, size_t size, int64_t deadline_ms,
                               size_t *length_r, int *passed_fd_r, pid_t *sender_r);

/* Receives one message, if there is one; a descriptor that came with it is closed. IO_AGAIN: there
 * is none. IO_EOF: the other side is gone. */
enum io_status message_read(int fd, void *data, size_t size, size_t *length_r);

#endif
