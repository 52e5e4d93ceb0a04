/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stages of a session and what they share. Inside src/session only.
 *
 * A stage returns OUTCOME_NONE when the session goes on, anything else ends it.
 */
#ifndef SESSION_STAGES_H
#define SESSION_STAGES_H

#include "base/log.h"
#include "pop3/command.h"
#include "session/session.h"

/* The session is in this stage from here on. */
void session_enter(struct session *session, enum session_stage stage);
/* Lets the watcher see the counters. */
void session_progress(const struct session *session);

/* ---- the stages, in order ---- */

/* Takes the PROXY header of a load balancer: from here on the client's address is known. */
enum outcome proxy_header_run(struct session *session);
/* Is there a place for this client? */
enum outcome admission_run(struct session *session);
/* What comes before the greeting: TLS where it begins with the connection. */
enum outcome open_run(struct session *session);
/* USER, PASS and what else may come before; ends when there are credentials. */
enum outcome login_run(struct session *session);
/* Splits the login name into proxy user, user and server; finds the server allowed. */
enum outcome select_server(struct session *session);
/* Has this address failed too often? */
enum outcome attempt_run(struct session *session);
/* Lets the acp decide. */
enum outcome access_ask(struct session *session);
/* Opens the server stream; its greeting is still unread. */
enum outcome connect_server(struct session *session);
/* Reads the greeting, logs in, records the client, passes the answer on. */
enum outcome server_login(struct session *session);
/* Passes commands and replies until the end. */
enum outcome relay_run(struct session *session);

/* ---- the two line readers ---- */

/*
 * Waits for the client's next command line and parses it. COMMAND_GOOD and the faults are in
 * *fault_r; the line stays in the client's buffer until client_line_done(). Output for the client
 * is flushed before waiting. While a server is connected it is watched too: what it sends
 * unasked, or its end, ends the session.
 */
enum outcome client_line_read(struct session *session, enum command_state state,
                              int64_t deadline_ms, struct command *command,
                              enum command_fault *fault_r);
void client_line_done(struct session *session);

/*
 * Waits for the line that answers a SASL challenge. It lies in the client's buffer, without its
 * end, until client_line_done(); NULL for one that was too long and is gone.
 */
enum outcome client_answer_read(struct session *session, int64_t deadline_ms, const char **line_r,
                                size_t *length_r);

/* A status line of the server. The text lies in the server's input buffer, control octets
 * replaced, until server_reply_done(). */
struct server_reply {
    const char *line;
    size_t length; /* with CRLF */
    bool is_ok;
    bool is_challenge;
};

/* Waits for the reply that the server owes. */
enum outcome server_reply_read(struct session *session, int64_t deadline_ms,
                               struct server_reply *reply);
/* The same where a SASL challenge may come instead: is_challenge then. */
enum outcome server_answer_read(struct session *session, int64_t deadline_ms,
                                struct server_reply *reply);
/* Drops the line. `is_last`: nothing may follow it, and what does ends the session. */
enum outcome server_reply_done(struct session *session, const struct server_reply *reply,
                               bool is_last);

/*
 * The line with which the server has turned us down, if that is how the session ends, control
 * octets replaced; "" else. It lies in the server's input buffer, so call it before the close. Once
 * the server was told who logs in it may repeat that, a password too, and nothing is taken. Returns
 * `text`.
 */
enum { SERVER_WORDS_SIZE = LOG_VALUE_BYTES + 2 }; /* enough for the log to see that it is more */
const char *server_words(const struct session *session, enum outcome outcome,
                         char text[SERVER_WORDS_SIZE]);

/* A command may go to the server only when nothing unread has come from it. */
enum outcome server_check_quiet(struct session *session);
/* Nor may anything more come until then. What has been read already is not looked at. */
enum outcome server_listen(struct session *session, int64_t until_ms);

/* ---- a multi-line reply ---- */

/* Passes it on, octet for octet, up to its end. Its status line of `status_length` octets lies in
 * the server's input buffer. `is_listing`: the client that goes meanwhile loses nothing, and what
 * it has sent before is still served. What the server sends behind the end ends the session. */
enum outcome multi_line_pass(struct session *session, size_t status_length, bool is_listing);

/* ---- telling the server who the client is ---- */

/* Sends a PROXY header on a connection just made, where that is set. */
enum outcome proxy_header_send(struct session *session, int64_t deadline_ms);
/* Sends XCLIENT, where that is set, if the greeting offered it or could not be believed. Who has
 * not offered it may refuse it. */
enum outcome xclient_send(struct session *session, bool is_offered);

/* ---- TLS ---- */

/* STLS would be taken now, but for the state. */
bool client_may_stls(const struct session *session);
/* A login has to wait for TLS. */
bool client_needs_tls(const struct session *session);
/* Serves STLS: replies, and makes the handshake or refuses. */
enum outcome client_stls(struct session *session, const struct command *command);

/* TLS from the first octet with a server just connected, where that is set. */
enum outcome server_tls_implicit(struct session *session);
/* STLS with the server behind its greeting, where that is set. */
enum outcome server_stls(struct session *session);
/* Logs why TLS failed on a stream of the session, if it did, before the stream is closed. */
void log_tls_failure(const struct session *session, const struct stream *stream);
/* "TLSv1.3,CIPHER", or "" in the clear. Returns `text`. */
enum { TLS_TEXT_SIZE = 72 };
const char *tls_text(const struct tls_facts *facts, char text[TLS_TEXT_SIZE]);

/* One line to the server, its words (up to a NULL) parted by blanks, and what `read` takes for the
 * reply to it, which must be alone. */
typedef enum outcome server_reader(struct session *session, int64_t deadline_ms,
                                   struct server_reply *reply);
enum outcome server_exchange(struct session *session, const char *const *words, server_reader *read,
                             struct server_reply *reply);

/*
 * Round the command that decides. A server that answers the one before it twice would be taken to
 * admit whom it refuses if its spare reply is on its way just now, and the true answer may follow.
 * So a server that is not known yet is listened to for a moment.
 */
enum outcome server_settle(struct session *session);

/* Until when a reply owed in the login may come. */
int64_t server_login_deadline_ms(const struct session *session);

/* ---- AUTH ---- */

/* Serves AUTH to its end. *is_done_r: the credentials are complete. */
enum outcome auth_run(struct session *session, const struct command *command, bool *is_done_r);
/* The names of the mechanisms offered now, each behind a `before`. Returns `text`. */
enum { AUTH_MECHANISMS_SIZE = 64 };
const char *auth_mechanisms(const struct session *session, char before,
                            char text[AUTH_MECHANISMS_SIZE]);
/* Logs in at the server with AUTH. `reply` is its last word. */
enum outcome server_auth(struct session *session, struct server_reply *reply);

/* ---- CAPA ---- */

/* The status line and our own capabilities; the closing dot is the caller's to say. */
void capa_say_ours(struct session *session);
/* The answer to CAPA after login: ours, and what may pass of the server's list behind `reply`. */
enum outcome capa_relay(struct session *session, const struct server_reply *reply,
                        int64_t deadline_ms);

/* ---- saying things ---- */

/* Puts a line of ours into the client's output. */
void client_say(struct session *session, const char *line);
/* Sends what is in the client's output. */
enum outcome client_flush(struct session *session, int64_t deadline_ms);
/* Refuses a command: says why, logs, counts. Ends the session at the sixth. */
enum outcome refuse_command(struct session *session, const struct command *command,
                            enum command_fault fault);
/* The same for a line that is no command, in words of the caller's. */
enum outcome refuse_line(struct session *session, const char *command, const char *fault,
                         const char *text);

/* Our end of the client's connection; unset when its input is no socket. */
void session_socket_address(const struct session *session, struct address *address);
/* Where the client has connected to: the same without a load balancer. */
void session_local_address(const struct session *session, struct address *address);

/* ---- logging ---- */

/* Begins a line about this session. */
void session_log_begin(struct log_line *line, const struct session *session, enum event event);

/* ---- from I/O to outcomes ---- */

enum outcome client_outcome(enum io_status status, enum outcome at_deadline);
enum outcome server_outcome(enum io_status status, enum outcome at_deadline);

/* Keeps a NUL-terminated copy with the credentials. NULL when there is no room: a line fits several
 * times, so that is a failure of the system. */
char *credentials_keep(struct credentials *credentials, const char *text, size_t length);
/* Room for `size` octets there, or NULL. */
char *credentials_room(struct credentials *credentials, size_t size);
/* The credentials hold a password, by which they can be checked. */
bool credentials_have_password(const struct credentials *credentials);

/* Wipes the credentials. */
void credentials_wipe(struct credentials *credentials);

#endif
