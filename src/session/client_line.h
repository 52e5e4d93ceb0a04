/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's side of the wire: reading its lines, refusing them, replying.
 */
#ifndef SESSION_CLIENT_LINE_H
#define SESSION_CLIENT_LINE_H

#include "pop3/command.h"
#include "session/session.h"

enum { CLIENT_REFUSED_MAX = 5 }; /* the manual: one more refused command ends the session */

/*
 * The client waits for a reply and has not seen the start of one; or it has. When the session ends,
 * its last reply goes only to a client that waits.
 */
void client_owe_reply(struct session *session);
void client_reply_begun(struct session *session);

/*
 * Waits for the client's next command line and parses it, with COMMAND_GOOD or a fault in *fault_r.
 * The line stays in the client's buffer until client_line_done(). Before each wait the output for
 * the client is flushed. While a server is connected it is watched as well: its end, and what it
 * sends unasked, ends the session.
 */
enum outcome client_line_read(struct session *session, enum command_state state,
                              int64_t deadline_ms, struct command *command,
                              enum command_fault *fault_r);
void client_line_done(struct session *session);

/*
 * Waits for the line that answers a SASL challenge. It stays in the client's buffer, without its
 * end, until client_line_done(). *line_r is NULL if the line was too long; it is gone then.
 */
enum outcome client_answer_read(struct session *session, int64_t deadline_ms, const char **line_r,
                                size_t *length_r);

/* Puts a line of ours into the client's output: the reply, or a line of one. */
void client_say(struct session *session, const char *line);

/* The same with "-ERR " before a text of less than 120 octets. */
void client_say_error(struct session *session, const char *text);

/* Sends a challenge of SASL, in base64. */
void client_challenge(struct session *session, const char *challenge);

/* Puts a line of the server's, `length` octets with its end, into the client's output. */
void client_pass(struct session *session, const char *line, size_t length);

/* Sends what is in the client's output. */
enum outcome client_flush(struct session *session, int64_t deadline_ms);

/* Logs and counts a refused command whose reply the client has got already. The sixth ends the
 * session. `words` are the server's, "" for none. */
enum outcome client_count_refusal(struct session *session, const char *command, const char *fault,
                                  const char *words);

/* Refuses a command: drops its line, replies, logs and counts. The sixth ends the session. */
enum outcome client_refuse_command(struct session *session, const struct command *command,
                                   enum command_fault fault);

/* The same for a line that was dropped already. The log gets `command` and `fault`, the client
 * "-ERR " and `text`. */
enum outcome client_refuse(struct session *session, const char *command, const char *fault,
                           const char *text);

#endif
