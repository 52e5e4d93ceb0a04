/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connecting to a server that has several addresses.
 */
#ifndef IO_DIAL_H
#define IO_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "io/wait.h"

enum {
    DIAL_ADDRESSES_MAX = 16, /* further addresses of a name are not tried */
};

/*
 * Connects to the first of `count` addresses that answers. They are tried in order, each as soon
 * as the one before has failed or has been silent for a moment, while the earlier attempts go on
 * (RFC 8305, section 5). Small writes are sent at once (TCP_NODELAY), and `socket_buffer_bytes`
 * bounds what the kernel holds of what is to be read (0: the system's default).
 *
 * IO_OK: *fd_r is the caller's to close and *chosen_r the index of the address. IO_FAILED: all
 * refused, errno as the last one said. IO_DEADLINE, IO_STOPPED: nothing is left open.
 */
enum io_status dial(const struct address *addresses, size_t count, int socket_buffer_bytes,
                    int64_t deadline_ms, int *fd_r, size_t *chosen_r);

#endif
