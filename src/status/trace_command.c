/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server ends the trace when this process is gone, whatever ends it.
 */
#include "status/trace_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/complain.h"
#include "base/utf8.h"
#include "status/control_ask.h"
#include "status/trace_serve.h"

enum { PIECE_BYTES = 65536, LAST_BYTES = 64 };

static const char refusal[] = "error: ";

/* A dialogue is nobody else's business. */
static int open_output(const char *file)
{
    int fd = file == NULL ? STDOUT_FILENO
                          : open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                                 0600);

    if (fd == -1)
        complain("--output %s: %s", file, strerror(errno));
    return fd;
}

static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, data, length);

        if (count == -1 && errno == EINTR)
            continue;
        if (count <= 0)
            return -1;
        data += count;
        length -= (size_t)count;
    }
    return 0;
}

static bool is_refusal(char *piece, size_t length)
{
    if (length < strlen(refusal) || memcmp(piece, refusal, strlen(refusal)) != 0)
        return false;
    piece[strcspn(piece, "\n")] = '\0';
    utf8_clean_line(piece, strlen(piece));
    complain("the server says: %s", piece + strlen(refusal));
    return true;
}

/* The lines that have come, as far as they matter for the end. */
struct lines {
    char last[LAST_BYTES]; /* the beginning of the line under way, or of the last one */
    size_t length;
    bool is_ended;
};

/* Replaces what no trace has, so that nothing reaches a terminal that it would obey. The piece does not
 * end inside a character. */
static void take_piece(struct lines *lines, char *piece, size_t length)
{
    utf8_clean(piece, length);
    for (size_t i = 0; i < length; i++) {
        if (lines->is_ended)
            lines->length = 0;
        lines->is_ended = piece[i] == '\n';
        if (!lines->is_ended && lines->length < LAST_BYTES)
            lines->last[lines->length++] = piece[i];
    }
}

static bool is_over(const struct lines *lines)
{
    return lines->is_ended && lines->length == strlen(TRACE_OVER_LINE) &&
           memcmp(lines->last, TRACE_OVER_LINE, lines->length) == 0;
}

static int end_of_lines(const struct lines *lines, ssize_t count, const char *path)
{
    struct error error;

    if (is_over(lines))
        return EX_OK;
    if (lines->length == 0 && count == -1 && errno == ETIMEDOUT)
        control_set_silent(&error, path);
    else if (lines->length == 0)
        error_set(&error, "the server does not answer");
    else if (count == -1 && errno == ETIMEDOUT)
        error_set(&error, "the time is over, but the server does not end the trace");
    else
        error_set(&error, "the server has ended the trace before its time was over");
    complain("%s", error.text);
    return EX_UNAVAILABLE;
}

static int pass_piece(struct lines *lines, char *piece, size_t length, int output, const char *file)
{
    take_piece(lines, piece, length);
    if (write_all(output, piece, length) == 0)
        return 0;
    complain("%s: %s; the trace ends", file == NULL ? "standard output" : file, strerror(errno));
    return -1;
}

static int copy_lines(int fd, int output, const struct options *options, const char *path)
{
    int64_t end_ms = clock_after_ms(options->seconds * 1000 + CONTROL_SILENCE_MS);
    int64_t deadline_ms = clock_after_ms(CONTROL_SILENCE_MS); /* for the first line */
    struct lines lines = {.length = 0};
    char piece[PIECE_BYTES + 1];
    size_t length = 0; /* of the beginning of a character, whose rest has not come yet */
    ssize_t count;

    while ((count = control_read(fd, piece + length, PIECE_BYTES - length, deadline_ms)) > 0) {
        size_t whole;

        length += (size_t)count;
        piece[length] = '\0';
        if (lines.length == 0 && is_refusal(piece, length))
            return EX_UNAVAILABLE;
        whole = utf8_whole(piece, length);
        if (pass_piece(&lines, piece, whole, output, options->output) == -1)
            return EX_IOERR;
        length -= whole;
        memmove(piece, piece + whole, length);
        deadline_ms = end_ms;
    }
    return end_of_lines(&lines, count, path);
}

int trace_command_run(const char *path, const struct options *options)
{
    char request[CONTROL_REQUEST_MAX];
    struct error error;
    int output = open_output(options->output);
    int code, fd;

    if (output == -1)
        return EX_CANTCREAT;
    snprintf(request, sizeof(request), "trace %lld %s", (long long)options->seconds,
             options->name);
    fd = control_begin(path, request, &code, &error);
    if (fd == -1) {
        complain("%s", error.text);
        return code;
    }
    code = copy_lines(fd, output, options, path);
    close(fd);
    return code;
}
