/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's end of the control socket. It knows no more of the server than the socket's path.
 */
#include "status/control_ask.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/utf8.h"

enum {
    ANSWER_MS = 30000,                   /* for the whole answer */
    ANSWER_BYTES_MAX = 256 * 1024 * 1024, /* a session is about 250 octets of it */
    TRIES = 3, /* a reload may just have replaced the process that answers */
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
    const struct timeval limit = {.tv_sec = CONTROL_SILENCE_MS / 1000};
    struct address address;
    int fd;

    if (address_parse_listen(&address, path) == -1 || address.sa.sa_family != AF_UNIX) {
        *exit_code = EX_CONFIG;
        return error_set(error, "control = %s: the path is too long for a socket", path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd != -1) {
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
    int fd = open_control(path, exit_code, error);

    if (fd == -1 || send_request(fd, request) == 0)
        return fd;
    *exit_code = EX_UNAVAILABLE;
    error_set(error, "control = %s: %s", path, strerror(errno));
    close(fd);
    return -1;
}

/* ---- the answer ---- */

ssize_t control_read(int fd, void *to, size_t size, int64_t deadline_ms)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    int64_t left_ms = deadline_ms - clock_now_ms();
    int ready = poll(&wanted, 1, left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms);

    if (ready == 1)
        return read(fd, to, size);
    if (ready == 0)
        errno = ETIMEDOUT;
    return -1;
}

int control_set_silent(struct error *error, const char *path)
{
    return error_set(error,
                     "control = %s: nothing answers within %d s; does another program hold the socket?",
                     path, CONTROL_SILENCE_MS / 1000);
}

/* Takes pieces until the end. Returns 0, or an errno: ETIMEDOUT, EFBIG and others. */
static int take_pieces(int fd, char *piece, FILE *out)
{
    int64_t end_ms = clock_after_ms(ANSWER_MS);
    size_t length = 0;

    for (;;) {
        ssize_t count = control_read(fd, piece, PIECE_BYTES,
                                     clock_earlier(end_ms, clock_after_ms(CONTROL_SILENCE_MS)));

        if (count <= 0)
            return count == 0 ? 0 : errno;
        length += (size_t)count;
        if (length > ANSWER_BYTES_MAX)
            return EFBIG;
        if (fwrite(piece, 1, (size_t)count, out) != (size_t)count)
            return ENOMEM;
    }
}

/* Reads everything up to the end. */
static int read_answer(int fd, char **answer, size_t *length)
{
    char *piece = malloc(PIECE_BYTES);
    FILE *out = open_memstream(answer, length);
    int failure = piece == NULL || out == NULL ? ENOMEM : take_pieces(fd, piece, out);

    free(piece);
    if (out != NULL && fclose(out) != 0)
        failure = ENOMEM;
    if (failure == 0)
        utf8_clean(*answer, *length);
    errno = failure;
    return failure == 0 ? 0 : -1;
}

static int answer_failed(struct error *error, const char *path, size_t length)
{
    if (errno == EFBIG)
        return error_set(error, "control = %s: the answer has more than %d MiB; does another program "
                                "hold the socket?", path, ANSWER_BYTES_MAX / (1024 * 1024));
    if (errno == ETIMEDOUT && length == 0)
        return control_set_silent(error, path);
    if (errno == ETIMEDOUT)
        return error_set(error, "control = %s: the answer does not end in time; does another program "
                                "hold the socket?", path);
    return error_set(error, "control = %s: the answer broke off: %s", path, strerror(errno));
}

/* Returns 1 when there was no answer at all: try again. */
static int ask_once(const char *path, const char *request, char **answer, size_t *length,
                    int *exit_code, struct error *error)
{
    int fd = open_control(path, exit_code, error);
    int result;

    *answer = NULL;
    *length = 0;
    if (fd == -1)
        return -1;
    *exit_code = EX_UNAVAILABLE;
    result = send_request(fd, request) == -1 ? -1 : read_answer(fd, answer, length);
    if (result == -1)
        answer_failed(error, path, *length);
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
