/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sessions and the helper say to each other. One datagram a message: a kind, then fields, each
 * a NUL-terminated text. The helper trusts no field: it parses every one, and a message that is not
 * exactly of its kind's form is dropped.
 */
#ifndef HELPER_MESSAGE_H
#define HELPER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/wait.h"

enum {
    /* Room for an acp's request: user name and password of a whole SASL line each. */
    MESSAGE_BYTES = 64 * 1024,
    MESSAGE_OUTPUT_BYTES = 4096, /* a piece of what an acp printed, or the addresses of a name */
    MESSAGE_RECORD_BYTES = 2048, /* a line of the client log */
    MESSAGE_SESSION_SIZE = 32,   /* a session's id, for the log */
};

enum message_kind {
    MESSAGE_RESOLVE = 1,   /* session id, host */
    MESSAGE_ACCESS,        /* session id, time limit in ms, the values in the order of acp.def */
    MESSAGE_RECORD_CLIENT, /* session id, file name, line */
    MESSAGE_ADDRESSES,     /* struct helper_addresses as it stands in memory */
    MESSAGE_OUTPUT,        /* raw octets the acp printed */
    MESSAGE_RESULT,        /* one octet of enum message_result */
};

enum message_result {
    MESSAGE_RESULT_DONE = 1, /* access granted, line recorded */
    MESSAGE_RESULT_DENIED,
    MESSAGE_RESULT_TIME_LIMIT,
    MESSAGE_RESULT_FAILED,
};

/* A message being put together or taken apart, in the caller's memory. */
struct message {
    char *data;
    size_t size;   /* of the memory */
    size_t length; /* of the message */
    size_t at;     /* reading position */
    bool is_bad;   /* overflow while writing, or malformed while reading */
};

void message_begin(struct message *message, char *memory, size_t size, enum message_kind kind);
void message_put(struct message *message, const char *text); /* NULL is the empty text */
void message_put_number(struct message *message, int64_t number);

/* Begins reading; the kind is the first octet. 0 for an empty message. */
int message_open(struct message *message, char *data, size_t length);
/* The next text; "" and is_bad when there is none. Points into the message. */
const char *message_get(struct message *message);
int64_t message_get_number(struct message *message);
/* True when every field was there and nothing is left. */
bool message_is_done(const struct message *message);

/* Sends one message, with a descriptor unless `passed_fd` is -1. */
enum io_status message_send(int fd, const void *data, size_t length, int passed_fd,
                            int64_t deadline_ms);

/* Receives one message; *passed_fd_r is -1 when none came with it. IO_EOF when the other side is
 * gone. */
enum io_status message_receive(int fd, void *data, size_t size, int64_t deadline_ms,
                               size_t *length_r, int *passed_fd_r);

#endif
