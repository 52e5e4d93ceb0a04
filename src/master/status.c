/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's part of the status: two sockets and one child.
 *
 * The control socket is bound under a temporary name and renamed to its own, so that there is no
 * moment without one, and none in which it is open to others. Ours is told from a later one of
 * the same name by its inode: what the next binary has put there is left alone.
 */
#include "master/status.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "master/upgrade.h"
#include "status/status_process.h"

#include "config.h"

#define METRICS_ENVIRONMENT "POP3_PROXY_METRICS_FD"
#define TEMPORARY_SUFFIX    ".new"
#define BACK_OFF_MIN_S      0.1
#define BACK_OFF_MAX_S      10.0
#define BACK_OFF_FORGET_S   30.0 /* a process that lived so long is replaced at once */

enum { BACKLOG = 64, CONTROL_MODE = 0600 };

/* A socket and what it was configured as; fd -1: none. */
struct endpoint {
    int fd;
    char text[ADDRESS_TEXT_SIZE];
    dev_t device; /* of the file, if it has one */
    ino_t inode;
};

#define NO_ENDPOINT ((struct endpoint){.fd = -1})

static struct {
    bool is_set_up;
    struct endpoint control;
    struct endpoint metrics;
    struct endpoint next_control; /* prepared; .text is set even if the old one stays */
    struct endpoint next_metrics;
    int inherited_fd;          /* the metrics' of the binary before us, or -1 */
    struct pool *const *pools; /* the master's list, as it changes */
    uid_t uid;
    gid_t gid;
    pid_t pid;          /* 0: none */
    int64_t started_ms; /* the server */
    double forked_s;
    double back_off_s;
    ev_timer back_off;
} status;

static void set_up(void)
{
    const char *inherited = getenv(METRICS_ENVIRONMENT);

    if (status.is_set_up)
        return;
    status.is_set_up = true;
    status.inherited_fd = inherited == NULL ? -1 : atoi(inherited);
    unsetenv(METRICS_ENVIRONMENT);
    if (status.inherited_fd <= STDERR_FILENO ||
        fcntl(status.inherited_fd, F_SETFD, FD_CLOEXEC) == -1)
        status.inherited_fd = -1;
    status.control = status.metrics = status.next_control = status.next_metrics = NO_ENDPOINT;
    status.started_ms = clock_now_ms();
}

/* ---- the control socket ---- */

static bool is_file_of(const struct endpoint *endpoint)
{
    struct stat found;

    return endpoint->fd != -1 && lstat(endpoint->text, &found) == 0 &&
           found.st_dev == endpoint->device && found.st_ino == endpoint->inode;
}

static bool answers(const struct address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool does = fd != -1 && (connect(fd, &address->sa, address->length) == 0 || errno == EAGAIN);

    if (fd != -1)
        close(fd);
    return does;
}

/* What is there already: nothing, a stale socket, or something to be left alone. NULL: go on. */
static const char *obstacle(const struct address *address)
{
    struct stat found;

    if (lstat(address->local.sun_path, &found) == -1)
        return errno == ENOENT ? NULL : strerror(errno);
    if (!S_ISSOCK(found.st_mode))
        return "the file is no socket; remove it, or choose another path";
    if (answers(address) && !upgrade_is_successor())
        return "another server answers there; stop it, or choose another path";
    return NULL;
}

static int bind_file(struct endpoint *endpoint, const struct address *address)
{
    struct stat made;
    mode_t mask = umask(0777 & ~CONTROL_MODE);
    int result = bind(endpoint->fd, &address->sa, address->length);

    umask(mask);
    if (result == -1 || lstat(address->local.sun_path, &made) == -1)
        return -1;
    endpoint->device = made.st_dev;
    endpoint->inode = made.st_ino;
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
    struct endpoint *next = &status.next_control;
    const char *path = proxy->values.control;
    const char *why = NULL;
    struct address address;

    forget_control(next);
    *next = NO_ENDPOINT;
    if (path == NULL)
        return 0;
    snprintf(next->text, sizeof(next->text), "%s", path);
    if (strcmp(path, status.control.text) == 0 && is_file_of(&status.control))
        return 0;
    if (strlen(path) >= sizeof(next->text) || address_parse_listen(&address, path) == -1)
        why = "the path is too long for a socket";
    else
        why = obstacle(&address);
    if (why == NULL && open_control(next, &why) == 0)
        return 0;
    return error_set(error, "%s: control = %s: %s", proxy->place[CONF_KEY_control], path, why);
}

/* Removes the file as long as it is ours. */
static void close_control(void)
{
    if (is_file_of(&status.control))
        unlink(status.control.text);
    if (status.control.fd != -1)
        close(status.control.fd);
    status.control = NO_ENDPOINT;
}

static void commit_control(void)
{
    struct endpoint *next = &status.next_control;
    char name[ADDRESS_TEXT_SIZE];

    if (next->fd == -1 && next->text[0] != '\0')
        return; /* the old one stays */
    if (strcmp(next->text, status.control.text) != 0)
        close_control();
    else if (status.control.fd != -1)
        close(status.control.fd); /* its file was taken away */
    status.control = *next;
    *next = NO_ENDPOINT;
    if (status.control.fd != -1 &&
        rename(temporary_name(name, &status.control), status.control.text) == -1)
        log_message(LOG_LEVEL_ERROR, "status", "control = %s: %s", status.control.text,
                    strerror(errno));
}

/* ---- the metrics' socket ---- */

/* The one of the binary before us, if it is bound there. */
static int take_inherited(const struct address *address)
{
    struct address bound = {.length = sizeof(bound.storage)};
    int fd = status.inherited_fd;

    if (fd == -1 || getsockname(fd, &bound.sa, &bound.length) == -1 ||
        !address_is_equal(&bound, address))
        return -1;
    status.inherited_fd = -1;
    return fd;
}

static void close_inherited(void)
{
    if (status.inherited_fd != -1)
        close(status.inherited_fd);
    status.inherited_fd = -1;
}

static int open_metrics(const struct address *address)
{
    int fd = take_inherited(address);
    int on = 1;
    int error;

    if (fd != -1)
        return fd;
    fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &address->sa, address->length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void forget_metrics(struct endpoint *endpoint)
{
    if (endpoint->fd != -1)
        close(endpoint->fd);
    *endpoint = NO_ENDPOINT;
}

static int prepare_metrics(const struct conf_section *proxy, struct error *error)
{
    struct endpoint *next = &status.next_metrics;
    const char *text = proxy->values.metrics_listen;
    struct address address;

    forget_metrics(next);
    if (text == NULL)
        return 0;
    snprintf(next->text, sizeof(next->text), "%s", text);
    if (strcmp(text, status.metrics.text) == 0)
        return 0;
    (void)address_parse_listen(&address, text); /* it was checked */
    next->fd = open_metrics(&address);
    if (next->fd != -1)
        return 0;
    return error_set(error, "%s: metrics_listen = %s: %s", proxy->place[CONF_KEY_metrics_listen],
                     text, strerror(errno));
}

static void commit_metrics(void)
{
    struct endpoint *next = &status.next_metrics;

    if (next->fd == -1 && next->text[0] != '\0')
        return; /* the old one stays */
    forget_metrics(&status.metrics);
    status.metrics = *next;
    *next = NO_ENDPOINT;
    close_inherited();
}

void status_hand_on(void)
{
    char number[16];

    if (status.metrics.fd <= STDERR_FILENO)
        return;
    fcntl(status.metrics.fd, F_SETFD, 0);
    snprintf(number, sizeof(number), "%d", status.metrics.fd);
    setenv(METRICS_ENVIRONMENT, number, 1);
}

/* ---- the child ---- */

static void fork_process(void);

static void on_back_off_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fork_process();
}

static void fork_later(void)
{
    status.back_off_s = status.back_off_s == 0 ? BACK_OFF_MIN_S : status.back_off_s * 2;
    if (status.back_off_s > BACK_OFF_MAX_S)
        status.back_off_s = BACK_OFF_MAX_S;
    ev_timer_init(&status.back_off, on_back_off_over, status.back_off_s, 0.0);
    ev_timer_start(EV_DEFAULT, &status.back_off);
}

static void fork_process(void)
{
    struct status_process process = {.pools = *status.pools,
                                     .started_ms = status.started_ms,
                                     .control_fd = status.control.fd,
                                     .metrics_fd = status.metrics.fd,
                                     .uid = status.uid,
                                     .gid = status.gid,
                                     .master_pid = getpid()};
    pid_t pid = fork_quietly();

    if (pid == 0)
        _exit(status_process_run(&process));
    status.forked_s = ev_now(EV_DEFAULT);
    status.pid = pid == -1 ? 0 : pid;
    if (pid != -1)
        return;
    log_message(LOG_LEVEL_ERROR, "status", "cannot fork: %s", strerror(errno));
    fork_later();
}

static void end_process(void)
{
    ev_timer_stop(EV_DEFAULT, &status.back_off);
    if (status.pid != 0)
        kill(status.pid, STATUS_SIGNAL_LEAVE);
    status.pid = 0; /* it is nobody's when it is reaped */
}

bool status_reap(pid_t pid)
{
    if (pid == 0 || pid != status.pid)
        return false;
    status.pid = 0;
    if (ev_now(EV_DEFAULT) > status.forked_s + BACK_OFF_FORGET_S)
        status.back_off_s = 0;
    fork_later();
    log_message(LOG_LEVEL_ALERT, "status", "the process died; a new one is started in %.1f s",
                status.back_off_s);
    return true;
}

/* ---- for the master ---- */

int status_check(const struct conf *conf, struct error *error)
{
#ifndef HAVE_MICROHTTPD
    const struct conf_section *proxy = &conf->proxy;

    if (proxy->values.metrics_listen != NULL)
        return error_set(error,
                         "%s: metrics_listen = %s: this pop3.proxy is built without "
                         "libmicrohttpd; take the key out, the control socket has the metrics too",
                         proxy->place[CONF_KEY_metrics_listen], proxy->values.metrics_listen);
#endif
    (void)conf;
    (void)error;
    return 0;
}

int status_prepare(const struct conf *conf, struct error *error)
{
    set_up();
    if (status_check(conf, error) == -1 || prepare_control(&conf->proxy, error) == -1)
        return -1;
    return prepare_metrics(&conf->proxy, error);
}

void status_forget(void)
{
    if (!status.is_set_up)
        return;
    forget_control(&status.next_control);
    forget_metrics(&status.next_metrics);
}

void status_refresh(void)
{
    if (!status.is_set_up || (status.control.fd == -1 && status.metrics.fd == -1))
        return;
    end_process();
    fork_process();
}

void status_restart(struct pool *const *pools, const struct conf *conf)
{
    set_up();
    end_process();
    commit_control();
    commit_metrics();
    status.pools = pools;
    status.uid = conf->uid;
    status.gid = conf->gid;
    status_refresh();
}

void status_stop(void)
{
    if (!status.is_set_up)
        return;
    end_process();
    close_control();
    forget_metrics(&status.metrics);
    status_forget();
}
