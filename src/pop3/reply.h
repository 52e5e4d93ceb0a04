/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's replies: status lines, and the end of a multi-line reply. Pure; no I/O.
 */
#ifndef POP3_REPLY_H
#define POP3_REPLY_H

#include <stdbool.h>
#include <stddef.h>

enum {
    REPLY_LINE_BYTES = 512,           /* a status line with its CRLF (RFC 1939, section 3) */
    REPLY_CHALLENGE_BYTES = 8 * 1024, /* a SASL challenge: token mechanisms put error texts in it */
};

enum reply_status {
    REPLY_OK,         /* +OK */
    REPLY_ERR,        /* -ERR */
    REPLY_CHALLENGE,  /* "+ ...": only from reply_parse_auth() */
    REPLY_INCOMPLETE, /* the line has not ended yet, and may still become one of these */
    REPLY_INVALID,    /* no indicator, a line end that is not CRLF, or too long */
};

/*
 * Parses the start of what a server has sent. *length_r is the length of the line with its CRLF for
 * REPLY_OK and REPLY_ERR. The line must begin with an indicator, "+OK" or "-ERR", in upper case.
 */
enum reply_status reply_parse(const char *data, size_t length, size_t *length_r);

/* The same for a reply to AUTH or its data, which may be a challenge instead of a status line
 * (RFC 5034, section 4). */
enum reply_status reply_parse_auth(const char *data, size_t length, size_t *length_r);

/* Returns '?' for a control octet, and any other octet as it is. */
char reply_clean_octet(char octet);

/* Replaces every control octet of a status line, except its CRLF, by '?', so that no NUL and no
 * escape sequence of a server reaches a client's terminal. */
void reply_clean(char *line, size_t length);

/* True if the line is -ERR with a response code (RFC 2449, section 8): "-ERR [" ... "]". `length`
 * includes the CRLF. */
bool reply_has_code(const char *line, size_t length);

/* True if the code of a refused login does not mean that the credentials are wrong: SYS (RFC 3206,
 * section 4), IN-USE or LOGIN-DELAY (RFC 2449, section 8.1), in any case. */
bool reply_is_unavailable(const char *line, size_t length);

/* True if the code is IN-USE: another session has the mailbox (RFC 2449, section 8.1.2). */
bool reply_is_in_use(const char *line, size_t length);

/*
 * Finds the end of a multi-line reply: CRLF "." CRLF, or "." CRLF at the very start (RFC 1939,
 * section 3). Remembers from one piece to the next what it must, so that it finds the end wherever
 * the pieces are cut. A line with a dot that ends in a bare LF is text.
 */
struct reply_end {
    unsigned matched; /* octets of CRLF.CRLF matched at the end of what was seen */
    unsigned loose;   /* the same of LF.CRLF */
};

/* Begins after the CRLF of the status line. */
void reply_end_init(struct reply_end *end);

/*
 * Reads the next piece. Returns how many of its octets belong to this reply. *is_end_r is true if
 * they include the end of the reply, its last CRLF; if it is false, all octets belong to it.
 */
size_t reply_end_scan(struct reply_end *end, const char *data, size_t length, bool *is_end_r);

/* True if what was seen ends with LF "." CRLF. That is not the end of a reply, but some servers
 * pass on a message whose last line ends in a bare LF as it is, and most clients take this for the
 * end. */
bool reply_end_is_loose(const struct reply_end *end);

#endif
