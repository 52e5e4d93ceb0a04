/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Octets that go from one socket to another without coming through this process's memory: the
 * kernel hands its pages on by splice(2), by way of a pipe. Whoever must know what passes looks
 * first, by stream_try_peek(), and then takes no more than it has seen.
 *
 * What is taken is what was seen, as long as nobody writes into pages that have been sent: a sender
 * on this very machine that lent the kernel its own pages (vmsplice(), MSG_ZEROCOPY) could. By that
 * it deceives us about its own octets, which it could have sent as it liked anyway.
 */
#ifndef IO_BYPASS_H
#define IO_BYPASS_H

#include "io/stream.h"

struct bypass {
    int fds[2];  /* the pipe: to take from, to put into */
    size_t held; /* octets on their way in it */
    bool is_open;
    bool has_made_nonblocking; /* the socket that it gives to */
};

/* Makes a way between two sockets. False where there is none, which is no failure: TLS, descriptors
 * that may be shared, or no pipe of a size that pays. `bypass` is all zeros before. */
bool bypass_open(struct bypass *bypass, struct stream *from, struct stream *to);

/* What is held is dropped. `to` is the stream it was opened with. Closing twice is fine. */
void bypass_close(struct bypass *bypass, struct stream *to);

/* Takes up to `length` octets that are known to be there. Returns how many; 0 when the pipe is full
 * or, if it is empty, because the kernel cannot do it here: they are to be read then. */
size_t bypass_take(struct bypass *bypass, const struct stream *from, size_t length);

/* One attempt to hand on what is held, as stream_try_write(). */
enum io_status bypass_give(struct bypass *bypass, struct stream *to, size_t *moved_r);

#endif
