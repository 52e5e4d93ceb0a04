/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a list to its end before anybody uses a line of it, so that half of a broken list never
 * counts.
 */
#include "session/server_list.h"

#include <string.h>

#include "pop3/reply.h"

enum { LINES_MAX = 64 };
_Static_assert((LINES_MAX + 2) * REPLY_LINE_BYTES < BUFFER_BLOCK_BYTES,
               "a buffer holds a list and the status lines before it");

/* Waits for the line that begins at offset `at`. *length_r includes its end. */
static enum outcome read_line(struct session *session, size_t at, int64_t deadline_ms,
                              size_t *length_r)
{
    const struct buffer *in = &session->server.in;

    for (;;) {
        size_t held = buffer_length(in) - at;
        const char *line = held > 0 ? buffer_data(in) + at : NULL;
        const char *newline = held > 0 ? memchr(line, '\n', held) : NULL;
        enum io_status status;

        *length_r = newline == NULL ? held : (size_t)(newline - line) + 1;
        if (*length_r > REPLY_LINE_BYTES)
            return OUTCOME_SERVER_BAD_REPLY;
        if (newline != NULL)
            return OUTCOME_NONE;
        status = stream_fill(&session->server, BUFFER_BLOCK_BYTES, deadline_ms);
        if (status != IO_OK)
            return server_outcome(status, OUTCOME_SERVER_TIMEOUT);
    }
}

/* The line without its end: an LF, and a CR before it. `length` includes them. */
static size_t text_length(const char *line, size_t length)
{
    length--;
    return length > 0 && line[length - 1] == '\r' ? length - 1 : length;
}

enum outcome server_list_read(struct session *session, size_t at, int64_t deadline_ms,
                              struct server_list *list)
{
    *list = (struct server_list){.at = at, .is_clean = true};
    for (int lines = 0; lines < LINES_MAX; lines++) {
        const char *line;
        size_t length = 0;
        size_t text;
        enum outcome outcome = read_line(session, at + list->length, deadline_ms, &length);

        if (outcome != OUTCOME_NONE)
            return outcome;
        line = buffer_data(&session->server.in) + at + list->length;
        text = text_length(line, length);
        list->is_clean = list->is_clean && text + 2 == length;
        if (text == 1 && line[0] == '.') {
            list->end_length = length;
            return OUTCOME_NONE;
        }
        list->length += length;
    }
    return OUTCOME_SERVER_BAD_REPLY;
}

const char *server_list_next(const struct session *session, struct server_list *list,
                             size_t *length_r)
{
    const char *line;
    size_t length;

    if (list->length == 0)
        return NULL; /* the input may be empty, and has no memory then */
    line = buffer_data(&session->server.in) + list->at;
    length = (size_t)((const char *)memchr(line, '\n', list->length) - line) + 1;
    *length_r = text_length(line, length);
    list->at += length;
    list->length -= length;
    return line;
}

size_t server_list_end(const struct server_list *list)
{
    return list->at + list->length + list->end_length;
}
