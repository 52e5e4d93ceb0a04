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

#include "base/complain.h"
#include "status/control_ask.h"

enum { PIECE_BYTES = 65536 };

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

static bool is_refusal(char *piece, ssize_t count)
{
    if ((size_t)count < strlen(refusal) || memcmp(piece, refusal, strlen(refusal)) != 0)
        return false;
    piece[strcspn(piece, "\n")] = '\0';
    complain("the server says: %s", piece + strlen(refusal));
    return true;
}

static int copy_lines(int fd, int output, const char *file)
{
    char piece[PIECE_BYTES + 1];
    bool is_first = true;
    ssize_t count;

    while ((count = read(fd, piece, PIECE_BYTES)) > 0) {
        piece[count] = '\0';
        if (is_first && is_refusal(piece, count))
            return EX_UNAVAILABLE;
        is_first = false;
        if (write_all(output, piece, (size_t)count) == -1) {
            complain("%s: %s; the trace ends", file == NULL ? "standard output" : file,
                     strerror(errno));
            return EX_IOERR;
        }
    }
    if (count == 0 && !is_first)
        return EX_OK;
    complain("the server does not answer");
    return EX_UNAVAILABLE;
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
    code = copy_lines(fd, output, options->output);
    close(fd);
    return code;
}
