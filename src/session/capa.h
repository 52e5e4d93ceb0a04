/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CAPA before and after the login (RFC 2449).
 */
#ifndef SESSION_CAPA_H
#define SESSION_CAPA_H

#include "session/server_line.h"
#include "session/session.h"

/* Replies with our own capabilities. */
void capa_say(struct session *session);

/* Replies after the login: with our own capabilities, and with those of the server's list after
 * `reply` that we relay. */
enum outcome capa_relay(struct session *session, const struct server_reply *reply,
                        int64_t deadline_ms);

#endif
