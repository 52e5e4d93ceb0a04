/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * systemd's notification protocol, sd_notify(3): one datagram of KEY=VALUE lines. Its manual page
 * invites other implementations, and this one is a page of code. Linking libsystemd instead would
 * map six libraries into every worker, at 30 KB of page tables each.
 */
#include "master/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/number.h"

enum { MESSAGE_BYTES = 256 };

static void send_message(const char *path, const char *text, size_t length)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t path_length = strlen(path);
    int fd;

    if ((path[0] != '/' && path[0] != '@') || path_length >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, path_length);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return;
    /* Nothing here depends on whether the manager reads it. */
    (void)!sendto(fd, text, length, MSG_NOSIGNAL, (struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_length));
    close(fd);
}

static void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void notify(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    char text[MESSAGE_BYTES];
    va_list arguments;
    int length;

    if (path == NULL)
        return;
    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof(text))
        send_message(path, text, (size_t)length);
}

void notify_ready(void)
{
    /* After an upgrade this is not the process that systemd has started. */
    notify("READY=1\nMAINPID=%d", (int)getpid());
}

void notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    notify("RELOADING=1\nMONOTONIC_USEC=%" PRId64,
           (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void notify_stopping(void)
{
    notify("STOPPING=1");
}

void notify_status(size_t busy, size_t idle)
{
    notify("STATUS=%zu worker%s busy, %zu idle", busy, number_plural(busy), idle);
}

/* WATCHDOG_PID is ignored: after an upgrade it still names the previous process. */
double notify_watchdog_s(void)
{
    const char *interval_us = getenv("WATCHDOG_USEC");

    return interval_us == NULL ? 0.0 : strtod(interval_us, NULL) / 2e6;
}

void notify_alive(void)
{
    notify("WATCHDOG=1");
}
