/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting the next binary. It inherits the listening sockets and the locked pidfile by number,
 * named in the environment, and answers on a pipe.
 */
#include "master/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/daemon.h"
#include "master/listener.h"
#include "master/status.h"

#define READY_ENVIRONMENT "POP3_PROXY_READY_FD"

enum { READY_LIMIT_S = 30, LIST_BYTES = 8192 };

static char program[PATH_MAX];
static char *const *arguments;
static ev_io answered;
static ev_timer limit;
static upgrade_done *on_done;
static pid_t successor;
static int start_directory = -1; /* relative paths among the arguments count from there */

/* ---- in the new binary ---- */

bool upgrade_is_successor(void)
{
    return getenv(READY_ENVIRONMENT) != NULL;
}

void upgrade_ready(void)
{
    const char *text = getenv(READY_ENVIRONMENT);
    int fd = text == NULL ? -1 : atoi(text);

    unsetenv(READY_ENVIRONMENT);
    if (fd > STDERR_FILENO && write(fd, "1", 1) == 1)
        close(fd);
}

/* ---- in the old one ---- */

/* A name without a slash was found by the shell in PATH; the same happens again at exec. */
void upgrade_remember(char *const argv[])
{
    char here[PATH_MAX];

    arguments = argv;
    start_directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (argv[0][0] != '/' && strchr(argv[0], '/') != NULL && getcwd(here, sizeof(here)) != NULL)
        snprintf(program, sizeof(program), "%.*s/%.*s", PATH_MAX / 2, here, PATH_MAX / 2 - 2,
                 argv[0]);
    else
        snprintf(program, sizeof(program), "%s", argv[0]);
}

static void finish(bool is_ready)
{
    ev_io_stop(EV_DEFAULT_ &answered);
    ev_timer_stop(EV_DEFAULT_ &limit);
    close(answered.fd);
    on_done(is_ready);
}

static void on_answer(struct ev_loop *loop, ev_io *watcher, int events)
{
    char octet;

    (void)loop;
    (void)events;
    finish(read(watcher->fd, &octet, 1) == 1);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    kill(successor, SIGKILL);
    finish(false);
}

/* Lets a descriptor pass the exec and names it. */
static void pass_fd(int fd, char *list, size_t size)
{
    size_t length = strlen(list);

    fcntl(fd, F_SETFD, 0);
    snprintf(list + length, size - length, "%s%d", length == 0 ? "" : ",", fd);
}

static void exec_successor(int ready_fd)
{
    char list[LIST_BYTES] = "";
    char number[16] = "";
    sigset_t none;

    for (const struct listener *l = listener_first(); l != NULL; l = l->next)
        pass_fd(l->fd, list, sizeof(list));
    setenv(LISTENER_ENVIRONMENT, list, 1);
    pass_fd(ready_fd, number, sizeof(number));
    setenv(READY_ENVIRONMENT, number, 1);
    if (pidfile_descriptor() != -1) {
        number[0] = '\0';
        pass_fd(pidfile_descriptor(), number, sizeof(number));
        setenv(PIDFILE_ENVIRONMENT, number, 1);
    }
    status_hand_on();
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (start_directory != -1 && fchdir(start_directory) == -1)
        log_message(LOG_LEVEL_WARNING, "upgrade", "the directory of the start: %s", strerror(errno));
    execvp(program, arguments);
    log_message(LOG_LEVEL_ERROR, "upgrade-failed", "%s: %s", program, strerror(errno));
    _exit(127);
}

pid_t upgrade_start(struct ev_loop *loop, upgrade_done *done)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) == -1 || (successor = fork()) == -1) {
        log_message(LOG_LEVEL_ERROR, "upgrade-failed", "%s", strerror(errno));
        return -1;
    }
    if (successor == 0)
        exec_successor(fds[1]);
    close(fds[1]);
    on_done = done;
    ev_io_init(&answered, on_answer, fds[0], EV_READ);
    ev_io_start(loop, &answered);
    ev_timer_init(&limit, on_limit, READY_LIMIT_S, 0.0);
    ev_timer_start(loop, &limit);
    return successor;
}

void upgrade_cancel(void)
{
    if (!ev_is_active(&answered))
        return;
    kill(successor, SIGKILL);
    ev_io_stop(EV_DEFAULT_ &answered);
    ev_timer_stop(EV_DEFAULT_ &limit);
    close(answered.fd);
}
