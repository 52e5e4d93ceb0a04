/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A login that the server has refused without a response code: its words say whether the
 * credentials are wrong. Pure; no I/O.
 */
#ifndef POP3_REFUSAL_H
#define POP3_REFUSAL_H

#include <stddef.h>

/* See refusal_words.def. */
enum refusal {
    REFUSAL_CREDENTIALS,
    REFUSAL_IN_USE,
    REFUSAL_TEMPORARY,
    REFUSAL_MAILBOX,
};

/*
 * What `text`, the server's words after -ERR, means. A server may repeat what the client has sent,
 * and a client must not choose how its failed login is judged. So words that are in `user` or
 * `password` as well tell nothing. Either may be NULL.
 */
enum refusal refusal_judge(const char *text, const char *user, const char *password);

/* The response code (RFC 2449, section 8; RFC 3206) for it; NULL where it gets none. */
const char *refusal_code(enum refusal refusal);

/* Writes "-ERR [code] text", cut so that it is a status line of POP3 with the CRLF that is still to
 * come. `code` may be NULL. `line` has REPLY_LINE_BYTES. */
void refusal_write(char *line, const char *code, const char *text);

#endif
