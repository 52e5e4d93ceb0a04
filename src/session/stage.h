/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every stage needs of its session: progress, addresses, log lines.
 */
#ifndef SESSION_STAGE_H
#define SESSION_STAGE_H

#include "base/log.h"
#include "session/session.h"

/* Notes that the session has reached this stage, and tells the watcher. */
void session_enter(struct session *session, enum session_stage stage);

/* Tells the watcher that octets were passed on. */
void session_progress(const struct session *session);

/* Notes the user that the server gets, for logs and for what the pool knows users by. */
void session_note_user(struct session *session);

/* Our own end of the client's connection; unset when the client's input is not a socket. */
void session_own_end(const struct session *session, struct address *address);

/* Where the client has connected to: the load balancer's address if it told us, or our own end. */
void session_local_address(const struct session *session, struct address *address);

/* When the login must be finished, or the client's part of it: until its credentials are complete,
 * nobody else is waited for. */
int64_t session_login_end_ms(const struct session *session, bool is_clients_part);

/* Begins a log line about this session. */
void session_log_begin(struct log_line *line, const struct session *session, enum event event);

/* Adds words of a server to it, without the user's name and address if the log may not have them. */
void session_log_words(struct log_line *line, const struct session *session, const char *words);

#endif
