/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file is bound under a temporary name and then renamed, so that the name always leads to a socket,
 * and never to one that others may open. The file is ours while it has the inode that we have bound: a
 * socket that the next binary has put in its place is left alone. So only a port needs to be passed on.
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

_Static_assert(CONF_SOCKET_PATH_MAX + sizeof(TEMPORARY_SUFFIX) <=
                   sizeof(((struct sockaddr_un *)NULL)->sun_path),
               "the longest path has room for the suffix");

/* A socket and the setting that it was bound for; fd -1: none. */
struct endpoint {
    int fd;
    char text[ADDRESS_TEXT_SIZE];
    struct stat file; /* if the text is a path */
};

#define NO_ENDPOINT                                                                                \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* What is in force, and what is prepared: its text is set even if the old one stays. */
struct place {
    const char *key;
    struct endpoint current;
    struct endpoint next;
    struct unix_socket_rights rights; /* of the file of `next` */
};

static struct place control = {.key = "control", .current = NO_ENDPOINT, .next = NO_ENDPOINT};
static struct place metrics = {.key = "metrics_listen", .current = NO_ENDPOINT, .next = NO_ENDPOINT};
static int inherited_fd = -1; /* the metrics' port of the previous binary */

/* ---- files ---- */

static bool is_path(const char *text)
{
    return text[0] == '/';
}

static bool has_file(const struct endpoint *endpoint)
{
    struct stat found;

    return endpoint->fd != -1 && is_path(endpoint->text) && lstat(endpoint->text, &found) == 0 &&
           file_is_same(&found, &endpoint->file);
}

/* Why a socket cannot be bound to the path, and the mend; NULL when it can. */
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

static int bind_file(struct endpoint *endpoint, const struct address *address,
                     const struct unix_socket_rights *rights)
{
    if (unix_socket_bind(endpoint->fd, address, rights) == -1 ||
        lstat(address->local.sun_path, &endpoint->file) == -1)
        return -1;
    return listen(endpoint->fd, BACKLOG);
}

static const char *temporary_name(char name[ADDRESS_TEXT_SIZE], const struct endpoint *endpoint)
{
    snprintf(name, ADDRESS_TEXT_SIZE, "%.*s" TEMPORARY_SUFFIX,
             (int)(ADDRESS_TEXT_SIZE - sizeof(TEMPORARY_SUFFIX)), endpoint->text);
    return name;
}

static void forget(struct endpoint *endpoint)
{
    char name[ADDRESS_TEXT_SIZE];

    if (endpoint->fd != -1 && is_path(endpoint->text))
        unlink(temporary_name(name, endpoint));
    if (endpoint->fd != -1)
        close(endpoint->fd);
    *endpoint = (struct endpoint)NO_ENDPOINT;
}

static int open_file(struct place *place, const char **why)
{
    struct endpoint *next = &place->next;
    char name[ADDRESS_TEXT_SIZE];
    struct address address;

    if (address_parse_listen(&address, temporary_name(name, next)) == -1) {
        *why = "the path is too long for a socket";
        return -1;
    }
    unlink(name);
    next->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (next->fd != -1 && bind_file(next, &address, &place->rights) == 0)
        return 0;
    *why = strerror(errno);
    forget(next);
    return -1;
}

static int prepare_file(struct place *place, const char *path, const char **why)
{
    struct address address;

    if (strcmp(path, place->current.text) == 0 && has_file(&place->current))
        return 0;
    if (strlen(path) > CONF_SOCKET_PATH_MAX || address_parse_listen(&address, path) == -1)
        *why = "the path is too long for a socket";
    else
        *why = obstacle(&address);
    return *why == NULL ? open_file(place, why) : -1;
}

/* ---- a port ---- */

/* The previous binary's socket, if it is bound to this address. */
static int take_inherited(const struct address *address)
{
    struct address bound;
    int fd = inherited_fd;

    if (!address_of_own_end(fd, &bound) || !address_is_equal(&bound, address))
        return -1;
    inherited_fd = -1;
    return fd;
}

static void close_inherited(void)
{
    if (inherited_fd != -1)
        close(inherited_fd);
    inherited_fd = -1;
}

static int open_port(const struct address *address)
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

static int prepare_port(struct place *place, const char *text, const char **why)
{
    struct address address;

    if (strcmp(text, place->current.text) == 0)
        return 0;
    (void)address_parse_listen(&address, text); /* the configuration has checked it */
    place->next.fd = open_port(&address);
    if (place->next.fd == -1)
        *why = strerror(errno);
    return place->next.fd == -1 ? -1 : 0;
}

/* ---- both ---- */

static int prepare(struct place *place, const char *text, const char *origin, struct error *error)
{
    const char *why = NULL;
    int result;

    forget(&place->next);
    if (text == NULL)
        return 0;
    snprintf(place->next.text, sizeof(place->next.text), "%s", text);
    result = is_path(text) ? prepare_file(place, text, &why) : prepare_port(place, text, &why);
    if (result == -1)
        error_set(error, "%s: %s = %s: %s", origin, place->key, text, why);
    return result;
}

/* Removes the file too, if it is still ours and has not just been replaced. */
static void close_current(struct place *place, bool stays_file)
{
    if (!stays_file && has_file(&place->current))
        unlink(place->current.text);
    if (place->current.fd != -1)
        close(place->current.fd);
    place->current = (struct endpoint)NO_ENDPOINT;
}

/* The mode and owner may have changed. */
static void settle(const struct place *place)
{
    const char *path = place->current.text;
    struct address address;

    if (has_file(&place->current) && address_parse_listen(&address, path) == 0 &&
        unix_socket_set_rights(&address, &place->rights) == -1)
        log_message(EVENT_STATUS, "%s = %s: the owner, group and mode cannot be set: %s", place->key,
                    path, strerror(errno));
}

static void commit(struct place *place)
{
    struct endpoint *next = &place->next;
    char name[ADDRESS_TEXT_SIZE];

    if (next->fd == -1 && next->text[0] != '\0') { /* the old one stays */
        settle(place);
        return;
    }
    close_current(place, strcmp(next->text, place->current.text) == 0);
    place->current = *next;
    *next = (struct endpoint)NO_ENDPOINT;
    if (place->current.fd != -1 && is_path(place->current.text) &&
        rename(temporary_name(name, &place->current), place->current.text) == -1)
        log_message(EVENT_STATUS, "%s = %s: %s", place->key, place->current.text, strerror(errno));
}

int status_sockets_prepare(const struct conf *conf, struct error *error)
{
    const struct conf_section *proxy = &conf->proxy;
    int passed = inherit_take(METRICS, NULL);

    if (passed != -1)
        inherited_fd = passed;
    control.rights = (struct unix_socket_rights){
        .has_mode = true, .mode = CONTROL_MODE, .uid = (uid_t)-1, .gid = (gid_t)-1};
    metrics.rights = conf->metrics_rights;
    if (prepare(&control, proxy->values.control, proxy->origin[CONF_KEY_control], error) == -1)
        return -1;
    return prepare(&metrics, proxy->values.metrics_listen, proxy->origin[CONF_KEY_metrics_listen],
                   error);
}

void status_sockets_commit(void)
{
    commit(&control);
    commit(&metrics);
    close_inherited();
}

void status_sockets_forget(void)
{
    forget(&control.next);
    forget(&metrics.next);
}

void status_sockets_close(void)
{
    close_current(&control, false);
    close_current(&metrics, false);
    status_sockets_forget();
}

/* A file is not passed on: the next binary binds one of its own and renames it. */
void status_sockets_pass(void)
{
    if (!is_path(metrics.current.text))
        inherit_pass(METRICS, metrics.current.fd, NULL);
}

int status_sockets_control(void)
{
    return control.current.fd;
}

int status_sockets_metrics(void)
{
    return metrics.current.fd;
}
