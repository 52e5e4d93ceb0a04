/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of capabilities that follows a server's +OK to CAPA (RFC 2449).
 */
#ifndef SESSION_SERVER_LIST_H
#define SESSION_SERVER_LIST_H

#include "session/session.h"

/* A list in the server's input. */
struct server_list {
    size_t at;         /* where its next line begins */
    size_t length;     /* of its lines from there on */
    size_t end_length; /* of the line with the dot, which follows them */
    bool is_clean;     /* every line ends in CRLF, as it must */
};

/*
 * Waits for the whole list, which begins at offset `at` of the server's input and stays there.
 * OUTCOME_SERVER_BAD_REPLY if a line or the list is too long.
 */
enum outcome server_list_read(struct session *session, size_t at, int64_t deadline_ms,
                              struct server_list *list);

/* Takes the next line from the list; *length_r is without its end. Returns NULL after the last. The
 * line points into the server's input. */
const char *server_list_next(const struct session *session, struct server_list *list,
                             size_t *length_r);

/* The offset in the server's input where the list ends. */
size_t server_list_end(const struct server_list *list);

#endif
