/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sessions have a line of their own in the log. Where one cause ends session after session, such
 * as a server that is down or an address that is refused, the first has one and the others are
 * counted; see base/log_repeat.h.
 */
#ifndef SESSION_FLOOD_H
#define SESSION_FLOOD_H

#include "session/session.h"

/* Returns true if this session, which ends with `outcome`, gets its own line. Else it is counted for
 * the line that says how often the first one is repeated. With `quiet`, a connection that says nothing
 * gets no line and is not counted here: the totals have it. */
bool flood_is_line_due(const struct session *session, enum outcome outcome);

#endif
