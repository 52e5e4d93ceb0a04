/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sessions have a line of their own in the log. Where one cause ends session after session, such
 * as a server that is down or an address that is refused, the first has one and the others are
 * counted; see base/log_repeat.h.
 */
#ifndef SESSION_FLOOD_H
#define SESSION_FLOOD_H

#include "session/session.h"

/* Whether the line of this session, which ends so, is to be written. If not, it may be counted. With
 * `quiet`, a connection that says nothing is neither written nor counted here: the totals have it. */
bool flood_is_line_due(const struct session *session, enum outcome outcome);

#endif
