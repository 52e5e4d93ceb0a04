/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connecting to a server from one of our own addresses.
 */
#ifndef SESSION_SOURCE_H
#define SESSION_SOURCE_H

#include "session/session.h"

/* Dials the addresses as dial() does, from the address that a routing table has named for this
 * session, or from the next of those that the instance has. Where all ports of one of these are
 * taken at one of the addresses, and no other address can be connected, the next one is tried.
 * `errors_r` is not NULL. */
enum io_status source_dial(const struct session *session, const struct helper_addresses *found,
                           int64_t deadline_ms, int *fd_r, size_t *chosen_r, int *errors_r);

#endif
