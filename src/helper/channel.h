/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper's end of a pair of sockets over which a worker asks.
 *
 * A worker makes a pair and passes one end with its question. Once the answer is complete, both
 * sides keep the pair for the next question, because making one costs more than a question. A
 * channel has one question at a time. Where anything else happens meanwhile, the worker has given
 * the question up or is broken: the question is ended, and the pair is closed.
 *
 * A worker cannot have more than its share of what is kept, and closing a kept one harms nobody: the
 * worker notices it, and makes a new pair.
 */
#ifndef HELPER_CHANNEL_H
#define HELPER_CHANNEL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "helper/message.h"

struct channel {
    struct channel *next; /* in its list of those that are kept */
    int fd;
    pid_t worker;     /* 0: unknown */
    uint32_t number;  /* of the question */
    bool may_be_kept; /* the worker itself holds the other end, so it closes when the worker ends */
    bool is_asked;    /* there is a question that is not answered yet */
    bool is_answered; /* the last message of the answer was sent */
    bool is_gone;     /* the worker does not wait for the answer any more */
    ev_io readable;
    void (*on_gone)(void *owner);
    void *owner;
};

/* Is called where there is a question to read. It reads the question, and calls channel_begin() or
 * channel_end(). */
typedef void channel_event(struct channel *channel);

/* `most` channels in all: to take a further one, one that is kept is closed. */
void channel_init(struct ev_loop *loop, size_t most, channel_event *on_question);

/* For the end of a pair that has come with a question of `worker`; it is closed with the channel.
 * Returns NULL without memory: `fd` is closed then. */
struct channel *channel_open(int fd, pid_t worker);

/* A question has come, and has this number. */
void channel_begin(struct channel *channel, uint32_t number);

/* `on_gone` is called with `owner` if the worker gives up the question. */
void channel_own(struct channel *channel, void *owner, void (*on_gone)(void *owner));

/* Sends one message of the answer to the question with this number, and waits for nothing. IO_AGAIN:
 * the worker is slow; try again when the descriptor is writable. IO_FAILED: it is gone. */
enum io_status channel_send(struct channel *channel, uint32_t number, enum message_kind kind,
                            const void *data, size_t length);

/* The work on the question is over. Keeps the channel where the answer is complete, and closes it
 * otherwise: the worker then asks again, or reports that the helper has failed. */
void channel_end(struct channel *channel);

/* Closes those that are kept, and keeps none from now on. */
void channel_keep_none(void);

#endif
