/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moves octets from one socket to another inside the kernel, by splice(2) through a pipe, without a
 * copy to this process. A caller that must know the octets first peeks at them with
 * stream_try_peek(), and then takes no more than it has seen.
 *
 * The octets that are taken are the ones that were seen, with one exception: a sender on this very
 * machine that lent its own pages to the kernel (vmsplice(), MSG_ZEROCOPY) can still write into
 * them. It gains nothing, as it could have sent those octets in the first place.
 */
#ifndef IO_BYPASS_H
#define IO_BYPASS_H

#include "io/stream.h"

struct bypass {
    int fds[2];  /* the pipe: its reading end, its writing end */
    size_t held; /* octets that are in the pipe */
    bool is_open;
};

/* Opens a bypass between two sockets; `bypass` must be all zeros. Returns false where there can be
 * none, and the octets must be read and written: with TLS, with descriptors that other processes
 * may share, or where the system gives us no pipe that is large enough to save time. */
bool bypass_open(struct bypass *bypass, struct stream *from, struct stream *to);

/* Closes it and drops the octets in the pipe. Does nothing when it is closed already. */
void bypass_close(struct bypass *bypass);

/* Takes up to `length` octets, which must have arrived, into the pipe. Returns how many. 0: the
 * pipe is full, or, if nothing is held, the kernel cannot splice here, so the caller must read
 * them. */
size_t bypass_take(struct bypass *bypass, const struct stream *from, size_t length);

/* Tries to send octets from the pipe, with the results of stream_try_write(). Where the receiver takes
 * nothing, waits for a tick of the kernel, which is 10 ms at most, unless its socket does not block: in
 * a worker with many sessions it must not. */
enum io_status bypass_give(struct bypass *bypass, struct stream *to, size_t *moved_r);

#endif
