/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the client log. Another program may read a file at any moment and must never see half a
 * line.
 */
#include "helper/client_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

enum { FILE_MODE = 0644 };

/* A name that neither leaves the directory nor is hidden in it. */
static bool is_file_name(const char *client)
{
    return client[0] != '\0' && client[0] != '.' && strchr(client, '/') == NULL;
}

/* Writes the whole line. A write() that takes nothing means that the disk is full. */
static int write_all(int fd, const char *line)
{
    size_t left = strlen(line);

    while (left > 0) {
        ssize_t written = write(fd, line, left);
        if (written == -1 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0)
            return -1;
        line += written;
        left -= (size_t)written;
    }
    return 0;
}

/* Makes a new file. Workers may write to the directory, so a broken one can plant a FIFO, on which
 * open() would wait for ever, or a link to another file: whatever is at the path is removed. */
static int open_new(const char *path)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, FILE_MODE);

    if (fd == -1 && errno == EEXIST && unlink(path) == 0)
        fd = open(path, flags, FILE_MODE);
    return fd;
}

static int write_file(const char *path, const char *line)
{
    int fd = open_new(path);

    if (fd == -1)
        return -1;
    return write_all(fd, line) == 0 ? close(fd) : file_close_failed(fd);
}

int client_log_write(const char *directory, const char *session, const char *client,
                     const char *line)
{
    char path[PATH_MAX];
    char temporary[PATH_MAX];
    struct log_line report;
    int result = -1;

    if (!is_file_name(client) ||
        snprintf(path, sizeof(path), "%s/%s", directory, client) >= (int)sizeof(path) ||
        snprintf(temporary, sizeof(temporary), "%s/.%s.%d", directory, client, (int)getpid()) >=
            (int)sizeof(temporary)) {
        errno = ENAMETOOLONG;
    } else if (write_file(temporary, line) == 0 && rename(temporary, path) == 0) {
        result = 0;
    } else {
        int error = errno;
        unlink(temporary);
        errno = error;
    }
    if (result == -1) {
        log_begin(&report, EVENT_CLIENT_LOG_FAILED);
        log_add(&report, "session", session);
        log_add(&report, "directory", directory);
        log_add(&report, "client", client);
        log_add_text(&report, "error", strerror(errno));
        log_end(&report);
    }
    return result;
}
