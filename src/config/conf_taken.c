/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port is tried with bind(), which a server that starts at the same moment does not feel: both set
 * SO_REUSEADDR, and we do not listen. For the path of a UNIX socket the kernel's list is read, because
 * a connection would be a session of the program that listens there.
 */
#include "config/conf_taken.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

/* ---- the server ---- */

enum { COMM_SIZE = 32 };

static bool read_line(const char *path, char *line, size_t size)
{
    struct stat status;
    int fd = file_open_regular(path, &status);
    ssize_t count = fd == -1 ? -1 : read(fd, line, size - 1);

    if (fd != -1)
        close(fd);
    if (count <= 0)
        return false;
    line[count] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static bool has_our_name(const char *pid)
{
    char path[64];
    char ours[COMM_SIZE], theirs[COMM_SIZE];

    snprintf(path, sizeof(path), "/proc/%ld/comm", strtol(pid, NULL, 10));
    return read_line("/proc/self/comm", ours, sizeof(ours)) &&
           read_line(path, theirs, sizeof(theirs)) && strcmp(ours, theirs) == 0;
}

bool conf_is_running(const struct conf_section *proxy)
{
    const char *main_pid = getenv("MAINPID");
    char pid[COMM_SIZE];

    if (main_pid != NULL && has_our_name(main_pid))
        return true;
    return proxy->values.pidfile != NULL && read_line(proxy->values.pidfile, pid, sizeof(pid)) &&
           has_our_name(pid);
}

/* ---- addresses ---- */

static bool is_port_taken(const struct address *address)
{
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    int is_v6_only = address->sa.sa_family == AF_INET6 &&
                     !IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
    bool is_taken;

    if (fd == -1)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->sa.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, sizeof(is_v6_only));
    is_taken = bind(fd, &address->sa, address->length) == -1 && errno == EADDRINUSE;
    close(fd);
    return is_taken;
}

/* A line: the socket's address in the kernel, three numbers, its flags, type, state, inode, path. */
static bool is_listener(const char *line, const char *path)
{
    const unsigned long accepts = 0x10000; /* __SO_ACCEPTCON */
    unsigned long flags;
    int at = 0;

    return sscanf(line, "%*s %*s %*s %lx %*s %*s %*s %n", &flags, &at) == 1 && at > 0 &&
           (flags & accepts) != 0 && strcmp(line + at, path) == 0;
}

static bool is_path_taken(const char *path)
{
    FILE *in = fopen("/proc/net/unix", "re");
    bool is_taken = false;
    size_t size = 0;
    char *line = NULL;

    while (in != NULL && !is_taken && getline(&line, &size, in) != -1) {
        line[strcspn(line, "\n")] = '\0';
        is_taken = is_listener(line, path);
    }
    free(line);
    if (in != NULL)
        fclose(in);
    return is_taken;
}

bool conf_is_taken(const struct address *address)
{
    if (address->sa.sa_family == AF_UNIX)
        return is_path_taken(address->local.sun_path);
    return address_port(address) != 0 && is_port_taken(address);
}
