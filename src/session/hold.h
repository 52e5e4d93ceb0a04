/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a login has to wait because the operator holds its user; see hold_run() in stages.h.
 */
#ifndef SESSION_HOLD_H
#define SESSION_HOLD_H

#include "session/session.h"

/* Whether the operator holds the user of this login now, by the name that the client typed or by the
 * one that the server gets. */
bool hold_is_on(const struct session *session);

#endif
