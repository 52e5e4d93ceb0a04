/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's end of the control socket. It knows no more of the server than the socket's path.
 */
#include "status/control_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/address.h"

enum {
    LIMIT_S = 10, /* for each piece of the answer */
    TRIES = 3,    /* a reload may just have replaced the process that answers */
    PIECE_BYTES = 65536,
};

static const char refusal[] = "error: ";

/* Says why connect() failed and what to do about it. */
static int connect_failed(const char *path, int *exit_code, struct error *error)
{
    switch (errno) {
    case ENOENT:
    case ECONNREFUSED:
        *exit_code = EX_UNAVAILABLE;
        return error_set(error, "no server answers at control = %s; is it running?", path);
    case EACCES:
    case EPERM:
        *exit_code = EX_NOPERM;
        return error_set(error, "control = %s: %s; run this as the user who started the server",
                         path, strerror(errno));
    default:
        *exit_code = EX_UNAVAILABLE;
        return error_set(error, "control = %s: %s", path, strerror(errno));
    }
}

static int open_control(const char *path, int *exit_code, struct error *error)
{
    struct timeval limit = {.tv_sec = LIMIT_S};
    struct address address;
    int fd;

    if (address_parse_listen(&address, path) == -1 || address.sa.sa_family != AF_UNIX) {
        *exit_code = EX_CONFIG;
        return error_set(error, "control = %s: the path is too long for a socket", path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd != -1) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (connect(fd, &address.sa, address.length) == 0)
            return fd;
    }
    connect_failed(path, exit_code, error);
    if (fd != -1)
        close(fd);
    return -1;
}

static int send_request(int fd, const char *request)
{
    char line[CONTROL_REQUEST_MAX + 2];
    int length = snprintf(line, sizeof(line), "%s\n", request);

    return send(fd, line, (size_t)length, MSG_NOSIGNAL) == length ? 0 : -1;
}

int control_begin(const char *path, const char *request, int *exit_code, struct error *error)
{
    const struct timeval forever = {0};
    int fd = open_control(path, exit_code, error);

    if (fd == -1)
        return -1;
    if (send_request(fd, request) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
        return fd;
    }
    *exit_code = EX_UNAVAILABLE;
    error_set(error, "control = %s: %s", path, strerror(errno));
    close(fd);
    return -1;
}

/* Reads everything up to the end. */
static int read_answer(int fd, char **answer, size_t *length)
{
    char *piece = malloc(PIECE_BYTES);
    FILE *out = open_memstream(answer, length);
    ssize_t count = -1;
    int error = ENOMEM;

    while (piece != NULL && out != NULL) {
        count = read(fd, piece, PIECE_BYTES);
        error = errno;
        if (count <= 0)
            break;
        fwrite(piece, 1, (size_t)count, out);
    }
    free(piece);
    if (out != NULL && fclose(out) != 0)
        count = -1;
    errno = error;
    return count == 0 ? 0 : -1;
}

/* Returns 1 when there was no answer at all: try again. */
static int ask_once(const char *path, const char *request, char **answer, size_t *length,
                    int *exit_code, struct error *error)
{
    int fd = open_control(path, exit_code, error);
    int result;

    *answer = NULL;
    if (fd == -1)
        return -1;
    *exit_code = EX_UNAVAILABLE;
    result = send_request(fd, request) == -1 ? -1 : read_answer(fd, answer, length);
    if (result == -1)
        error_set(error, "control = %s: the answer broke off: %s", path, strerror(errno));
    close(fd);
    if (result == 0 && *length == 0) {
        error_set(error, "control = %s: the server does not answer", path);
        result = 1;
    }
    return result;
}

static void cut_line(char *text)
{
    text[strcspn(text, "\n")] = '\0';
}

int control_ask(const char *path, const char *request, char **answer, size_t *length,
                int *exit_code, struct error *error)
{
    int result = 1;

    for (int i = 0; i < TRIES && result == 1; i++) {
        result = ask_once(path, request, answer, length, exit_code, error);
        if (result == 0)
            break;
        free(*answer);
        *answer = NULL;
    }
    if (result != 0)
        return -1;
    if (strncmp(*answer, refusal, strlen(refusal)) != 0)
        return 0;
    cut_line(*answer);
    error_set(error, "the server says: %s", *answer + strlen(refusal));
    free(*answer);
    *answer = NULL;
    return -1;
}
