/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket is bound under a temporary name and then renamed, so that the name always
 * leads to a socket, and never to one that others may open. The file is ours while it has the inode
 * that we have bound: a socket that the next binary has put in its place is left alone.
 */
#include "status/status_sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/file.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/unix_socket.h"

#define METRICS          "POP3_PROXY_METRICS_FD" /* the name it is passed under */
#define TEMPORARY_SUFFIX ".new"

enum { BACKLOG = 64, CONTROL_MODE = 0600 };

/* A socket and the setting that it was bound for; fd -1: none. */
struct endpoint {
    int fd;
    char text[ADDRESS_TEXT_SIZE];
    struct stat file; /* of the control socket */
};

#define NO_ENDPOINT                                                                                \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

static struct {
    struct endpoint control;
    struct endpoint metrics;
    struct endpoint next_control; /* prepared; .text is set even if the old one stays */
    struct endpoint next_metrics;
    int inherited_fd; /* the metrics' of the previous binary, or -1 */
} sockets = {NO_ENDPOINT, NO_ENDPOINT, NO_ENDPOINT, NO_ENDPOINT, -1};

/* ---- the control socket ---- */

static bool has_file(const struct endpoint *endpoint)
{
    struct stat found;

    return endpoint->fd != -1 && lstat(endpoint->text, &found) == 0 &&
           file_is_same(&found, &endpoint->file);
}

/* Why the control socket cannot be bound to the path, and the mend; NULL when it can. */
static const char *obstacle(const struct address *address)
{
    switch (unix_socket_check(address)) {
    case UNIX_SOCKET_FREE:
    case UNIX_SOCKET_STALE:
        return NULL;
    case UNIX_SOCKET_SERVED:
        return inherit_is_successor()
                   ? NULL
                   : "another server answers there; stop it, or choose another path";
    case UNIX_SOCKET_NOT_ONE:
        return "the file is not a socket; remove it, or choose another path";
    case UNIX_SOCKET_UNKNOWN:
        break;
    }
    return strerror(errno);
}

static int bind_file(struct endpoint *endpoint, const struct address *address)
{
    mode_t mask = umask(0777 & ~CONTROL_MODE);
    int result = bind(endpoint->fd, &address->sa, address->length);

    umask(mask);
    if (result == -1 || lstat(address->local.sun_path, &endpoint->file) == -1)
        return -1;
    return listen(endpoint->fd, BACKLOG);
}

static const char *temporary_name(char name[ADDRESS_TEXT_SIZE], const struct endpoint *endpoint)
{
    snprintf(name, ADDRESS_TEXT_SIZE, "%.*s" TEMPORARY_SUFFIX,
             (int)(ADDRESS_TEXT_SIZE - sizeof(TEMPORARY_SUFFIX)), endpoint->text);
    return name;
}

static void forget_control(struct endpoint *endpoint)
{
    char name[ADDRESS_TEXT_SIZE];

    if (endpoint->fd == -1)
        return;
    unlink(temporary_name(name, endpoint));
    close(endpoint->fd);
    endpoint->fd = -1;
}

static int open_control(struct endpoint *endpoint, const char *why[1])
{
    char name[ADDRESS_TEXT_SIZE];
    struct address address;

    if (address_parse_listen(&address, endpoint->text) == -1 ||
        address_parse_listen(&address, temporary_name(name, endpoint)) == -1 ||
        address.sa.sa_family != AF_UNIX) {
        *why = "the path is too long for a socket";
        return -1;
    }
    unlink(name);
    endpoint->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (endpoint->fd != -1 && bind_file(endpoint, &address) == 0)
        return 0;
    *why = strerror(errno);
    forget_control(endpoint);
    return -1;
}

static int prepare_control(const struct conf_section *proxy, struct error *error)
{
    struct endpoint *next = &sockets.next_control;
    const char *path = proxy->values.control;
    const char *why = NULL;
    struct address address;

    forget_control(next);
    *next = (struct endpoint)NO_ENDPOINT;
    if (path == NULL)
        return 0;
    snprintf(next->text, sizeof(next->text), "%s", path);
    if (strcmp(path, sockets.control.text) == 0 && has_file(&sockets.control))
        return 0;
    if (strlen(path) >= sizeof(next->text) || address_parse_listen(&address, path) == -1)
        why = "the path is too long for a socket";
    else
        why = obstacle(&address);
    if (why == NULL && open_control(next, &why) == 0)
        return 0;
    return error_set(error, "%s: control = %s: %s", proxy->origin[CONF_KEY_control], path, why);
}

/* Removes the file too, if it is still ours. */
static void close_control(void)
{
    if (has_file(&sockets.control))
        unlink(sockets.control.text);
    if (sockets.control.fd != -1)
        close(sockets.control.fd);
    sockets.control = (struct endpoint)NO_ENDPOINT;
}

static void commit_control(void)
{
    struct endpoint *next = &sockets.next_control;
    char name[ADDRESS_TEXT_SIZE];

    if (next->fd == -1 && next->text[0] != '\0')
        return; /* the old one stays */
    if (strcmp(next->text, sockets.control.text) != 0)
        close_control();
    else if (sockets.control.fd != -1)
        close(sockets.control.fd); /* its file was removed */
    sockets.control = *next;
    *next = (struct endpoint)NO_ENDPOINT;
    if (sockets.control.fd != -1 &&
        rename(temporary_name(name, &sockets.control), sockets.control.text) == -1)
        log_message(EVENT_STATUS, "control = %s: %s", sockets.control.text, strerror(errno));
}

/* ---- the metrics' socket ---- */

/* The previous binary's socket, if it is bound to this address. */
static int take_inherited(const struct address *address)
{
    struct address bound;
    int fd = sockets.inherited_fd;

    if (!address_of_own_end(fd, &bound) || !address_is_equal(&bound, address))
        return -1;
    sockets.inherited_fd = -1;
    return fd;
}

static void close_inherited(void)
{
    if (sockets.inherited_fd != -1)
        close(sockets.inherited_fd);
    sockets.inherited_fd = -1;
}

static int open_metrics(const struct address *address)
{
    int fd = take_inherited(address);
    int on = 1;

    if (fd != -1)
        return fd;
    fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &address->sa, address->length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    return file_close_failed(fd);
}

static void forget_metrics(struct endpoint *endpoint)
{
    if (endpoint->fd != -1)
        close(endpoint->fd);
    *endpoint = (struct endpoint)NO_ENDPOINT;
}

static int prepare_metrics(const struct conf_section *proxy, struct error *error)
{
    struct endpoint *next = &sockets.next_metrics;
    const char *text = proxy->values.metrics_listen;
    struct address address;

    forget_metrics(next);
    if (text == NULL)
        return 0;
    snprintf(next->text, sizeof(next->text), "%s", text);
    if (strcmp(text, sockets.metrics.text) == 0)
        return 0;
    (void)address_parse_listen(&address, text); /* the configuration has checked it */
    next->fd = open_metrics(&address);
    if (next->fd != -1)
        return 0;
    return error_set(error, "%s: metrics_listen = %s: %s", proxy->origin[CONF_KEY_metrics_listen],
                     text, strerror(errno));
}

static void commit_metrics(void)
{
    struct endpoint *next = &sockets.next_metrics;

    if (next->fd == -1 && next->text[0] != '\0')
        return; /* the old one stays */
    forget_metrics(&sockets.metrics);
    sockets.metrics = *next;
    *next = (struct endpoint)NO_ENDPOINT;
    close_inherited();
}

/* ---- both ---- */

int status_sockets_prepare(const struct conf_section *proxy, struct error *error)
{
    int inherited_fd = inherit_take(METRICS, NULL);

    if (inherited_fd != -1)
        sockets.inherited_fd = inherited_fd;
    if (prepare_control(proxy, error) == -1)
        return -1;
    return prepare_metrics(proxy, error);
}

void status_sockets_commit(void)
{
    commit_control();
    commit_metrics();
}

void status_sockets_forget(void)
{
    forget_control(&sockets.next_control);
    forget_metrics(&sockets.next_metrics);
}

void status_sockets_close(void)
{
    close_control();
    forget_metrics(&sockets.metrics);
    status_sockets_forget();
}

void status_sockets_pass(void)
{
    inherit_pass(METRICS, sockets.metrics.fd, NULL);
}

int status_sockets_control(void)
{
    return sockets.control.fd;
}

int status_sockets_metrics(void)
{
    return sockets.metrics.fd;
}
