/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AUTH with the client (RFC 5034).
 */
#ifndef SESSION_AUTH_H
#define SESSION_AUTH_H

#include "pop3/command.h"
#include "session/session.h"

/* Serves AUTH to its end. *is_done_r is set to true if the credentials are complete. */
enum outcome auth_serve(struct session *session, const struct command *command, bool *is_done_r);

/* The names of the mechanisms that are announced now, each after the octet `before`. Returns
 * `text`. */
enum { AUTH_MECHANISMS_SIZE = 64 };
const char *auth_mechanisms(const struct session *session, char before,
                            char text[AUTH_MECHANISMS_SIZE]);

#endif
