/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trying a configuration on this machine, without disturbing a server that runs with it.
 */
#include "config/conf_try.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privileges.h"
#include "base/unix_socket.h"
#include "config/conf_group.h"
#include "config/conf_listen.h"
#include "config/conf_taken.h"
#include "config/mistakes.h"

struct trial {
    const struct conf *conf;
    struct mistakes mistakes;
    struct mistakes warnings;
    bool is_running; /* the server of this configuration: what it has is its own */
};

static void report_key(struct mistakes *mistakes, const struct conf_section *section,
                       enum conf_key key, const char *value, const char *why)
{
    struct error error;

    error_set(&error, "%s: %s = %s: %s", conf_origin(section, key), conf_key_info(key)->name, value,
              why);
    mistakes_take(mistakes, error.text);
}

/* ---- directories ---- */

/* A service manager makes a directory below /run when it starts the server; conf_warn() tells of
 * one that is missing there. */
static bool is_made_at_start(const char *path)
{
    return strncmp(path, "/run/", 5) == 0 || strncmp(path, "/var/run/", 9) == 0;
}

static void try_directory(struct trial *trial, const struct conf_section *section,
                          enum conf_key key, const char *path)
{
    char directory[PATH_MAX];
    const char *slash = path == NULL || section->origin[key] == NULL ? NULL : strrchr(path, '/');
    struct stat status;

    if (slash == NULL || is_made_at_start(path))
        return;
    snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (stat(directory, &status) == -1 && errno == ENOENT)
        report_key(&trial->mistakes, section, key, path,
                   "its directory does not exist; create it");
}

/* A file that the server opens: with a directory in its place a start fails. */
static void try_file(struct trial *trial, const struct conf_section *section, enum conf_key key,
                     const char *path)
{
    struct stat status;

    if (path != NULL && path[0] == '/' && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        report_key(&trial->mistakes, section, key, path, "is a directory; name a file in it");
    else
        try_directory(trial, section, key, path);
}

/* ---- listening addresses ---- */

static void try_listen(struct trial *trial, const struct conf_section *section, enum conf_key key,
                       const char *listen)
{
    char text[CONF_LISTEN_FAILURE_SIZE];
    struct address address;

    if (listen == NULL || address_parse_listen(&address, listen) == -1)
        return;
    if (address.sa.sa_family == AF_UNIX)
        try_directory(trial, section, key, listen);
    else if (conf_listen_try(&address) == -1)
        report_key(&trial->mistakes, section, key, listen,
                   conf_listen_failure(&address, errno, text));
}

/* ---- other programs ---- */

/* A start fails with these. Whether it is the server that runs, which a reload asks to read the file
 * again, cannot always be told. */
#define UNLESS_OURS ", unless it is this server"

/* control, or metrics_listen with a path. A program that answers there takes the connection for a
 * client that asks for nothing. */
static void try_socket(struct trial *trial, enum conf_key key, const char *path)
{
    const struct conf_section *proxy = &trial->conf->proxy;
    struct address address;

    if (path == NULL || path[0] != '/')
        return;
    if (strlen(path) > CONF_SOCKET_PATH_MAX || address_parse_listen(&address, path) == -1) {
        report_key(&trial->mistakes, proxy, key, path, "the path is too long for a socket");
        return;
    }
    switch (unix_socket_check(&address)) {
    case UNIX_SOCKET_NOT_ONE:
        report_key(&trial->mistakes, proxy, key, path,
                   "the file is not a socket; remove it, or choose another path");
        return;
    case UNIX_SOCKET_SERVED:
        if (!trial->is_running)
            report_key(&trial->warnings, proxy, key, path,
                       "a program answers there already; stop it or choose another path" UNLESS_OURS);
        return;
    default:
        return;
    }
}

static void try_taken(struct trial *trial, const struct conf_section *section, enum conf_key key,
                      const char *listen)
{
    struct address address;

    if (trial->is_running || listen == NULL || address_parse_listen(&address, listen) == -1 ||
        !conf_is_taken(&address))
        return;
    report_key(&trial->warnings, section, key, listen,
               address.sa.sa_family == AF_UNIX
                   ? "a program listens there already; stop it or choose another path" UNLESS_OURS
                   : "a program listens there already; stop it or choose another port" UNLESS_OURS);
}

/* ---- servers ---- */

/* The instance that listens where `address` leads, or NULL. */
static const struct conf_section *listener_of(const struct conf *conf,
                                              const struct address *address)
{
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_section *section = &conf->instances[i].section;
        struct address listen;

        if (section->values.listen != NULL &&
            address_parse_listen(&listen, section->values.listen) == 0 &&
            address_is_covered_by(address, &listen))
            return section;
    }
    return NULL;
}

/* A server as a key names it. */
struct named_server {
    const struct conf_section *section;
    enum conf_key key;
    const char *text;
    const char *host;
    uint16_t port;
};

static void report_loop(struct trial *trial, const struct named_server *server,
                        const struct conf_section *listener)
{
    struct error why;

    error_set(&why,
              "is this proxy itself: instance %s listens there (%s: listen = %s); set another "
              "server",
              listener->name, conf_origin(listener, CONF_KEY_listen), listener->values.listen);
    report_key(&trial->mistakes, server->section, server->key, server->text, why.text);
}

static void try_addresses(struct trial *trial, const struct named_server *server,
                          const struct addrinfo *found)
{
    for (; found != NULL; found = found->ai_next) {
        struct address address = {.length = found->ai_addrlen};
        const struct conf_section *listener;

        memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
        listener = listener_of(trial->conf, &address);
        if (listener != NULL) {
            report_loop(trial, server, listener);
            return;
        }
    }
}

static void try_server(struct trial *trial, const struct named_server *server)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[sizeof("65535")];
    int result;

    snprintf(port, sizeof(port), "%" PRIu16, server->port);
    result = getaddrinfo(server->host, port, &hints, &found);
    if (result != 0) {
        report_key(&trial->warnings, server->section, server->key, server->text,
                   gai_strerror(result));
        return;
    }
    try_addresses(trial, server, found);
    freeaddrinfo(found);
}

static void try_default_server(struct trial *trial, const struct conf_instance *instance)
{
    const struct conf_section *section = &instance->section;
    const struct named_server server = {.section = section,
                                        .key = CONF_KEY_server,
                                        .text = section->values.server,
                                        .host = instance->server.host,
                                        .port = instance->server.port};

    if (instance->has_server && section->origin[CONF_KEY_server] != NULL)
        try_server(trial, &server);
}

/* Whether one of the instances that use the group, before the instance `end`, has this port for a
 * server without one. */
static bool has_tried(const struct trial *trial, const struct conf_group *group, size_t end,
                      uint16_t port)
{
    const struct conf_instance *user;
    size_t at = 0;

    while ((user = conf_group_next_user(trial->conf, group, &at)) != NULL && at < end)
        if (user->server_port == port)
            return true;
    return false;
}

static void try_group_server(struct trial *trial, const struct conf_group *group,
                             const struct route_server *named)
{
    struct named_server server = {
        .section = &group->section,
        .key = CONF_KEY_group_servers,
        .text = named->text,
        .host = named->name.host,
        .port = named->name.port,
    };
    const struct conf_instance *user;
    size_t at = 0;

    while (named->name.port == 0 &&
           (user = conf_group_next_user(trial->conf, group, &at)) != NULL) {
        server.port = user->server_port;
        if (!has_tried(trial, group, at, server.port))
            try_server(trial, &server);
    }
    if (server.port == named->name.port) /* it has one, or nobody uses the group */
        try_server(trial, &server);
}

static void try_group(struct trial *trial, const struct conf_group *group)
{
    for (size_t i = 0; i < group->route.count; i++)
        try_group_server(trial, group, &group->route.servers[i]);
}

/* ---- the rights of workers ---- */

/* In the child: becomes the workers' user, as they do, and says what has failed. */
static void give_up_root(const struct conf *conf, int fd)
{
    struct error error;

    if (privileges_drop(conf->uid, conf->gid, &error) == -1)
        (void)!write(fd, error.text, strlen(error.text));
    _exit(0);
}

/* Root may lack the right to change its user, and a container may not have the user. */
static void try_user(struct trial *trial)
{
    const struct conf_section *proxy = &trial->conf->proxy;
    struct error error = {""};
    struct error mistake;
    int fds[2];
    pid_t pid;

    if (geteuid() != 0 || pipe(fds) == -1)
        return;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        give_up_root(trial->conf, fds[1]);
    close(fds[1]);
    (void)!read(fds[0], error.text, sizeof(error.text) - 1);
    close(fds[0]);
    (void)waitpid(pid, NULL, 0);
    if (error.text[0] == '\0')
        return;
    error_set(&mistake,
              "%s: a worker's rights: %s; permit it (CAP_SETUID, CAP_SETGID), or set another user",
              conf_origin(proxy, CONF_KEY_user), error.text);
    mistakes_take(&trial->mistakes, mistake.text);
}

int conf_try(const struct conf *conf, conf_report *mistake, conf_report *warning, void *context)
{
    const struct conf_section *proxy = &conf->proxy;
    struct trial trial = {.conf = conf, .is_running = conf_is_running(proxy)};

    trial.mistakes.file = trial.warnings.file = proxy->section_origin;
    try_directory(&trial, proxy, CONF_KEY_pidfile, proxy->values.pidfile);
    try_file(&trial, proxy, CONF_KEY_log, proxy->values.log);
    try_directory(&trial, proxy, CONF_KEY_control, proxy->values.control);
    try_socket(&trial, CONF_KEY_control, proxy->values.control);
    try_listen(&trial, proxy, CONF_KEY_metrics_listen, proxy->values.metrics_listen);
    if (proxy->values.metrics_listen != NULL && proxy->values.metrics_listen[0] == '/')
        try_socket(&trial, CONF_KEY_metrics_listen, proxy->values.metrics_listen);
    else
        try_taken(&trial, proxy, CONF_KEY_metrics_listen, proxy->values.metrics_listen);
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_section *section = &conf->instances[i].section;

        try_listen(&trial, section, CONF_KEY_listen, section->values.listen);
        try_taken(&trial, section, CONF_KEY_listen, section->values.listen);
        try_default_server(&trial, &conf->instances[i]);
    }
    for (size_t i = 0; conf->groups != NULL && i < conf->groups->count; i++)
        try_group(&trial, &conf->groups->list[i]);
    try_user(&trial);
    (void)mistakes_tell(&trial.warnings, warning, context);
    return mistakes_tell(&trial.mistakes, mistake, context);
}
