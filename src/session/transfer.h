/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A multi-line reply on its way from the server to the client.
 */
#ifndef SESSION_TRANSFER_H
#define SESSION_TRANSFER_H

#include "session/session.h"

/*
 * Passes the reply on, octet for octet, up to its end (RFC 1939, section 3). Its status line of
 * `status_length` octets lies in the server's input buffer. What the server sends after the end
 * ends the session. `is_listing`: the reply is not a message, so if the client is lost meanwhile,
 * it has missed nothing, and the commands that it sent before are still served.
 */
enum outcome transfer_reply(struct session *session, size_t status_length, bool is_listing);

#endif
