/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's replies: status lines, and the end of a multi-line reply. Pure; no I/O.
 */
#ifndef POP3_REPLY_H
#define POP3_REPLY_H

#include <stdbool.h>
#include <stddef.h>

enum {
    REPLY_LINE_BYTES = 512, /* a status line with its CRLF (RFC 1939, section 3) */
    REPLY_CHALLENGE_BYTES = 8 * 1024, /* a SASL challenge: error texts of token mechanisms */
};

enum reply_status {
    REPLY_OK,         /* +OK */
    REPLY_ERR,        /* -ERR */
    REPLY_CHALLENGE,  /* "+ ...": only from reply_parse_auth() */
    REPLY_INCOMPLETE, /* the line has not ended yet and may still become one */
    REPLY_INVALID,    /* neither indicator, a line end that is not CRLF, or too long */
};

/*
 * Looks at the start of what a server has sent. With REPLY_OK and REPLY_ERR *length_r is the
 * length of the line with its CRLF. The line must begin with an indicator, in upper case.
 */
enum reply_status reply_parse(const char *data, size_t length, size_t *length_r);

/* The same for what answers AUTH and its data, where a challenge may stand in place of a status
 * line (RFC 5034, section 4). */
enum reply_status reply_parse_auth(const char *data, size_t length, size_t *length_r);

/* '?' in place of a control octet. */
char reply_clean_octet(char octet);

/* Replaces every control octet of a status line (its CRLF not counted) by '?': no NUL and no
 * escape sequence of a server reaches a client's terminal. */
void reply_clean(char *line, size_t length);

/* The -ERR line has a response code of RFC 2449, section 8: "-ERR [" ... "]". `length` with
 * CRLF. */
bool reply_has_code(const char *line, size_t length);

/* A refused login whose code says that nothing is known of the credentials, or nothing is wrong with
 * them: SYS (RFC 3206, section 4), IN-USE or LOGIN-DELAY (RFC 2449, section 8.1), in any case. */
bool reply_is_unavailable(const char *line, size_t length);

/*
 * Finds the end of a multi-line reply: CRLF "." CRLF, or "." CRLF at the very start (RFC 1939,
 * section 3). Keeps what it must remember from one piece to the next, so that the end is found
 * wherever the pieces are cut. A dot line that ends in a bare LF is text.
 */
struct reply_end {
    unsigned matched; /* octets of CRLF.CRLF matched at the end of what was seen */
};

/* Begins behind the status line's CRLF. */
void reply_end_init(struct reply_end *end);

/*
 * Looks at the next piece. Returns how many of its octets belong to this reply: all of them with
 * *is_end_r false, or those up to and with the final CRLF with *is_end_r true.
 */
size_t reply_end_scan(struct reply_end *end, const char *data, size_t length, bool *is_end_r);

#endif
