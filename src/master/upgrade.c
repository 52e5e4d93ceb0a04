/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts the next binary. A socket connects it to this one: the next binary says there that it is
 * ready, and later perhaps that all sessions are to end; each sees there that the other is gone.
 * What else it inherits is for the caller to pass on.
 */
#include "master/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptors.h"
#include "base/inherit.h"
#include "base/log.h"

enum { READY_LIMIT_S = 30 };

/* What the next binary says over the socket. */
enum { WORD_READY = '1', WORD_STOP = 'S' };

static char program[PATH_MAX];
static char *const *arguments;
static ev_io answered;
static ev_timer limit; /* runs until the successor is ready */
static upgrade_told *on_told;
static pid_t successor; /* 0: none */
static ev_io predecessor;
static void (*on_gone)(void);
static int start_directory = -1; /* relative paths in the arguments begin there */

/* ---- in the new binary ---- */

void upgrade_forget_predecessor(void)
{
    if (!upgrade_has_predecessor())
        return;
    ev_io_stop(EV_DEFAULT, &predecessor);
    close(predecessor.fd);
}

/* It never says anything, so this means that it has ended. */
static void on_predecessor(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    upgrade_forget_predecessor();
    on_gone();
}

static void say(int fd, char word)
{
    (void)!send(fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void upgrade_ready(void (*gone)(void))
{
    int fd = inherit_take(INHERIT_READY, NULL);

    if (fd == -1)
        return;
    say(fd, WORD_READY);
    on_gone = gone;
    ev_io_init(&predecessor, on_predecessor, fd, EV_READ);
    ev_io_start(EV_DEFAULT, &predecessor);
}

bool upgrade_has_predecessor(void)
{
    return ev_is_active(&predecessor);
}

void upgrade_stop_predecessor(void)
{
    if (upgrade_has_predecessor())
        say(predecessor.fd, WORD_STOP);
}

/* ---- in the old one ---- */

/* The shell found a name without a slash in PATH; execvp() will do the same again. */
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

static void hang_up(void)
{
    ev_timer_stop(EV_DEFAULT, &limit);
    ev_io_stop(EV_DEFAULT, &answered);
    close(answered.fd);
}

static void fail(void)
{
    successor = 0;
    on_told(UPGRADE_FAILED);
}

static void on_answer(struct ev_loop *loop, ev_io *watcher, int events)
{
    bool was_ready = !ev_is_active(&limit);
    char word;

    (void)events;
    if (read(watcher->fd, &word, 1) != 1) {
        hang_up();
        if (!was_ready)
            fail();
    } else if (word == WORD_READY) {
        ev_timer_stop(loop, &limit);
        on_told(UPGRADE_READY);
    } else if (word == WORD_STOP) {
        on_told(UPGRADE_STOP);
    }
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    kill(successor, SIGKILL);
    hang_up();
    fail();
}

static void exec_successor(int ready_fd, upgrade_pass *pass)
{
    inherit_pass(INHERIT_READY, ready_fd, NULL);
    pass();
    child_restore_signals();
    if (start_directory != -1 && fchdir(start_directory) == -1)
        log_message_at(LOG_LEVEL_WARNING, EVENT_UPGRADE,
                       "cannot go to the directory of the first start: %s", strerror(errno));
    descriptors_restore_limit();
    execvp(program, arguments);
    log_message(EVENT_UPGRADE_FAILED, "%s: %s", program, strerror(errno));
    _exit(127);
}

/* This child ends at once, so that the successor becomes a child of systemd, which does not
 * supervise children of other processes. The successor sends its process id first, before the new
 * binary says anything; if it cannot be forked, minus the error is sent. */
static void fork_successor(int ready_fd, upgrade_pass *pass)
{
    pid_t pid = child_fork();
    pid_t word = pid == 0 ? getpid() : -errno;

    if (pid <= 0 && write(ready_fd, &word, sizeof(word)) == sizeof(word) && pid == 0)
        exec_successor(ready_fd, pass);
    _exit(EX_OK);
}

/* Forks the successor. Returns 0, or the error. */
static int fork_both(const int fds[2], upgrade_pass *pass)
{
    pid_t pid = child_fork();
    pid_t word = pid == -1 ? -errno : -ECHILD;

    if (pid == 0)
        fork_successor(fds[1], pass);
    close(fds[1]);
    if (pid > 0 && read(fds[0], &word, sizeof(word)) != sizeof(word))
        return ECHILD;
    if (word < 0)
        return -word;
    successor = word;
    return 0;
}

int upgrade_start(struct ev_loop *loop, upgrade_pass *pass, upgrade_told *told)
{
    int fds[2];
    int error;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1) {
        log_message(EVENT_UPGRADE_FAILED, "%s", strerror(errno));
        return -1;
    }
    error = fork_both(fds, pass);
    if (error != 0) {
        log_message(EVENT_UPGRADE_FAILED, "cannot fork: %s", strerror(error));
        close(fds[0]);
        return -1;
    }
    on_told = told;
    ev_io_init(&answered, on_answer, fds[0], EV_READ);
    ev_io_start(loop, &answered);
    ev_timer_init(&limit, on_limit, READY_LIMIT_S, 0.0);
    ev_timer_start(loop, &limit);
    return 0;
}

void upgrade_reload_successor(void)
{
    if (ev_is_active(&answered)) /* it has not ended yet */
        kill(successor, SIGHUP);
}

void upgrade_cancel(void)
{
    if (!ev_is_active(&limit))
        return;
    kill(successor, SIGKILL);
    hang_up();
}
