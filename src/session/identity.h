/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling the server who the client is. The other half, being told by a load balancer, is the stage
 * identity_run() in stages.h.
 */
#ifndef SESSION_IDENTITY_H
#define SESSION_IDENTITY_H

#include "session/session.h"

/* Sends a PROXY header on a connection just made, where that is set. */
enum outcome identity_send_header(struct session *session, int64_t deadline_ms);

/* Sends XCLIENT after the greeting, where that is set. `is_offered`: the greeting has offered it,
 * and the server must accept it. */
enum outcome identity_send_xclient(struct session *session, bool is_offered);

#endif
