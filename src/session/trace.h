/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dialogue of a session, for an operator who traces its user or its client's address.
 *
 * What is shown is put together from what was understood, never copied from a line as it came:
 * passwords, SASL data and commands that nobody knows are left out, and of a message only the
 * number of its octets is told.
 */
#ifndef SESSION_TRACE_H
#define SESSION_TRACE_H

#include "pop3/command.h"
#include "session/session.h"

#define TRACE_HIDDEN "***" /* in place of what is not told */

enum trace_way {
    TRACE_FROM_CLIENT,
    TRACE_TO_CLIENT,
    TRACE_TO_SERVER,
    TRACE_FROM_SERVER,
    TRACE_NOTE, /* what happens to the session */
};

/* Finds out whether the session is traced. Called at each stage and before each command: while
 * nobody is traced it reads one number. */
void trace_check(struct session *session);

static inline bool trace_is_on(const struct session *session)
{
    return session->trace_marks != 0;
}

/* The functions below do nothing unless the session is traced. */

/* A line, or what is told in its place. Octets that are not printable are escaped. */
void trace_text(struct session *session, enum trace_way way, const char *text);
void trace_note(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line of the server: hidden if it repeats a secret. `length` counts its end. */
void trace_reply(struct session *session, enum trace_way way, const char *line, size_t length);

/* A command of the client, as it was parsed. */
void trace_client_command(struct session *session, const struct command *command,
                          enum command_fault fault);

/* A command of the client that is passed on to the server. */
void trace_server_command(struct session *session, const struct command *command);

/* A command of ours to the server. */
void trace_server_words(struct session *session, const char *const *words);

#endif
