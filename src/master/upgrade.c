/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket connects the two binaries: the next one says there that it is ready, and later perhaps
 * that the operator ends sessions, or that all are to end; each sees there that the other is gone.
 * What else the next binary inherits is for the caller to pass on.
 */
#include "master/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/inherit.h"
#include "base/log.h"
#include "master/successor.h"

enum { READY_LIMIT_S = 30, KILLED_LIMIT_S = 5 };

/* What the next binary says over the socket. */
enum { WORD_READY = '1', WORD_STOP = 'S', WORD_ORDERS = 'O' };

static ev_io answered;
static ev_timer limit; /* runs until the successor is ready */
static upgrade_told *on_told;
static struct successor successor; /* pid 0: none */
static bool is_late;               /* it was not ready in time and is killed */
static ev_io predecessor;
static void (*on_gone)(void);

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
    successor_is_ready();
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

bool upgrade_tell_predecessor(void)
{
    if (upgrade_has_predecessor())
        say(predecessor.fd, WORD_ORDERS);
    return upgrade_has_predecessor();
}

/* ---- in the old one ---- */

static void hang_up(void)
{
    ev_timer_stop(EV_DEFAULT, &limit);
    ev_io_stop(EV_DEFAULT, &answered);
    close(answered.fd);
}

static void fail(const char *why)
{
    successor.pid = 0;
    hang_up();
    successor_release(&successor);
    on_told(UPGRADE_FAILED, why);
}

/* The starter says how the successor has ended. */
static void on_end(const char *octets, size_t length)
{
    struct successor_end end;
    struct error error;

    if (length < sizeof(end)) {
        fail("has ended");
        return;
    }
    memcpy(&end, octets, sizeof(end));
    end.words[sizeof(end.words) - 1] = '\0';
    if (is_late)
        snprintf(error.text, sizeof(error.text), "was not ready within %d s%s%s", READY_LIMIT_S,
                 end.words[0] == '\0' ? "" : ": ", end.words);
    else
        successor_describe(&end, &error);
    fail(error.text);
}

static void on_ready(void)
{
    ev_timer_stop(EV_DEFAULT, &limit);
    successor_release(&successor);
    on_told(UPGRADE_READY, NULL);
}

static void on_answer(struct ev_loop *loop, ev_io *watcher, int events)
{
    char octets[1 + sizeof(struct successor_end)];
    ssize_t count = recv(watcher->fd, octets, sizeof(octets), MSG_DONTWAIT);
    bool was_ready = !ev_is_active(&limit);

    (void)loop;
    (void)events;
    if (count == -1 && errno == EAGAIN)
        return;
    if (count <= 0) {
        if (was_ready)
            hang_up();
        else
            fail("has ended");
        return;
    }
    if (octets[0] == SUCCESSOR_ENDED && !was_ready) {
        on_end(octets + 1, (size_t)count - 1);
        return;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (octets[i] == WORD_READY && ev_is_active(&limit))
            on_ready();
        else if (octets[i] == WORD_STOP)
            on_told(UPGRADE_STOP, NULL);
        else if (octets[i] == WORD_ORDERS)
            on_told(UPGRADE_ORDERS, NULL);
    }
}

/* Kills the successor; then its starter reports what it said. */
static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    if (is_late) {
        fail("was not ready in time, and cannot be killed");
        return;
    }
    is_late = true;
    kill(successor.pid, SIGKILL);
    ev_timer_set(timer, KILLED_LIMIT_S, 0.0);
    ev_timer_start(EV_DEFAULT, timer);
}

int upgrade_start(struct ev_loop *loop, successor_pass *pass, upgrade_told *told)
{
    struct error error;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1) {
        log_message(EVENT_UPGRADE_FAILED, "%s", strerror(errno));
        return -1;
    }
    if (successor_start(&successor, fds, pass, &error) == -1) {
        log_message(EVENT_UPGRADE_FAILED, "%s", error.text);
        close(fds[0]);
        return -1;
    }
    on_told = told;
    is_late = false;
    ev_io_init(&answered, on_answer, fds[0], EV_READ);
    ev_io_start(loop, &answered);
    ev_timer_init(&limit, on_limit, READY_LIMIT_S, 0.0);
    ev_timer_start(loop, &limit);
    return 0;
}

bool upgrade_reap(pid_t pid)
{
    return successor_reap(&successor, pid);
}

void upgrade_reload_successor(void)
{
    if (ev_is_active(&answered)) /* it has not ended yet */
        kill(successor.pid, SIGHUP);
}

void upgrade_cancel(void)
{
    if (!ev_is_active(&limit))
        return;
    kill(successor.pid, SIGKILL);
    successor_release(&successor);
    hang_up();
}
