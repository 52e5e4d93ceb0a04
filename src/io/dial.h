/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connects to a server that may have several addresses.
 */
#ifndef IO_DIAL_H
#define IO_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "io/wait.h"

enum {
    DIAL_ADDRESSES_MAX = 16, /* no more addresses of a name are tried */
};

/* How to connect. */
struct dial_settings {
    /* Our own address towards servers of each family; NULL: the kernel chooses one. */
    const struct address *source_ipv4;
    const struct address *source_ipv6;
    int socket_buffer_bytes; /* see dial() */
};

/*
 * Connects to the first of `count` addresses that answers. Tries them in order: the next one begins
 * as soon as the one before it has failed, or has not answered for a quarter of a second; earlier
 * attempts go on meanwhile (RFC 8305, section 5).
 *
 * The socket sends small writes at once (TCP_NODELAY). `socket_buffer_bytes` is its receive buffer;
 * 0: the system's default.
 *
 * IO_OK: *fd_r is connected, *chosen_r is the index of its address, and the caller closes it with
 * wait_close(). IO_FAILED: no address could be connected; errno is that of the last one.
 * IO_DEADLINE, IO_STOPPED: as wait_for().
 *
 * `errors_r`, unless NULL, has room for DIAL_ADDRESSES_MAX numbers. After IO_OK and IO_FAILED they
 * say for each address why it failed: an errno, or ETIMEDOUT if it had not answered when the limit of
 * its attempt had passed, or when one that was tried later answered. 0: it was not tried, is connected,
 * or was tried later than the one that is connected.
 */
enum io_status dial(const struct address *addresses, size_t count,
                    const struct dial_settings *settings, int64_t deadline_ms, int *fd_r,
                    size_t *chosen_r, int *errors_r);

#endif
