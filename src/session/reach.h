/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaving a server.
 */
#ifndef SESSION_REACH_H
#define SESSION_REACH_H

#include "session/session.h"

/* Closes the connection to the server without a QUIT of our own, which would commit deletions.
 * `outcome` is why; a server that has said more than it was asked is not known any longer. */
void reach_leave(struct session *session, enum outcome outcome);

#endif
