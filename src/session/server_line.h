/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's side of the wire: sending commands, reading status lines, and noticing when the
 * server says more than it was asked.
 */
#ifndef SESSION_SERVER_LINE_H
#define SESSION_SERVER_LINE_H

#include "base/log.h"
#include "session/session.h"

/* A status line of the server. The text stays in the server's input buffer, control octets
 * replaced, until server_reply_done(). */
struct server_reply {
    const char *line;
    size_t length; /* with CRLF */
    bool is_ok;
    bool is_challenge;
};

/* Waits for a reply that the server owes. It begins at offset `at` of the server's input, after
 * replies that were read before and are still there. */
typedef enum outcome server_reader(struct session *session, size_t at, int64_t deadline_ms,
                                   struct server_reply *reply);
enum outcome server_reply_read(struct session *session, size_t at, int64_t deadline_ms,
                               struct server_reply *reply);

/* The same where a SASL challenge may come instead: is_challenge is set then. */
enum outcome server_answer_read(struct session *session, size_t at, int64_t deadline_ms,
                                struct server_reply *reply);

/* Drops the line. If `is_last`, the server owes nothing more, and octets after the line end the
 * session. */
enum outcome server_reply_done(struct session *session, const struct server_reply *reply,
                               bool is_last);

/* Until when a reply to a command of the login may come. Before the login is sent to a server of a group
 * that is the end of the try. */
int64_t server_login_deadline_ms(const struct session *session);

/* Puts a command into the server's output: its `words`, up to a NULL, separated by blanks. */
void server_put(struct session *session, const char *const *words);

/* Sends what is in the server's output. */
enum outcome server_flush(struct session *session);

/* Sends one command. */
enum outcome server_send(struct session *session, const char *const *words);

/*
 * Sends one command and takes its reply with `read`. Nothing may have come before. The reply must
 * be alone: we would take a second one for the reply to the next command, and a refused password
 * would look like a login.
 */
enum outcome server_exchange(struct session *session, const char *const *words, server_reader *read,
                             struct server_reply *reply);

/*
 * Call before and after the command that decides the login. If the server answered the previous
 * command twice and the second reply is still in flight, we would take it for the reply to this
 * one, and a refused login would look accepted. Waits a moment for such a reply, unless the server
 * has CAPA: then server_capa_confirm() finds it.
 */
enum outcome server_settle(struct session *session);

/*
 * Checks that nothing unread has come from the server: only then may a command go to it. After the
 * login, one -ERR line with the end of the connection after it is a server that says why it closes:
 * SERVER_CLOSED, and session->has_last_words is set. Waits up to a second for that end.
 */
enum outcome server_check_quiet(struct session *session);

/* Checks that nothing more comes until then. Ignores what has been read already. */
enum outcome server_listen(struct session *session, int64_t until_ms);

/*
 * Copies the line with which the server has ended the session, control octets replaced, if the
 * outcome wants it in the log or session->has_last_words is set; else "". Call it before the
 * server's stream is closed, as it lies in that buffer. The text stays "" if it repeats the
 * password; and after the server has got the credentials, if it is not a reply of POP3. Returns
 * `text`.
 */
enum { SERVER_WORDS_SIZE = LOG_VALUE_BYTES + 2 }; /* so long that the log can see that it is cut */
const char *server_words(const struct session *session, enum outcome outcome,
                         char text[SERVER_WORDS_SIZE]);

#endif
