/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One octet goes over a socket pair, and the helper's event loop sends it back.
 */
#include "helper/helper_watch.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static void end_check(struct helper_watch *watch)
{
    ev_io_stop(EV_DEFAULT, &watch->answered);
    ev_timer_stop(EV_DEFAULT, &watch->limit);
}

static void on_answered(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct helper_watch *watch = watcher->data;
    char octet;
    ssize_t got = recv(watch->fd, &octet, 1, MSG_DONTWAIT);

    (void)loop;
    (void)events;
    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    end_check(watch); /* where it has ended, the master will reap it */
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct helper_watch *watch = timer->data;

    (void)loop;
    (void)events;
    end_check(watch);
    log_message(EVENT_HELPER_HUNG, "instance %s: the helper does not answer and is killed",
                watch->instance);
    kill(watch->pid, SIGKILL);
}

void helper_watch_init(struct helper_watch *watch, const char *instance)
{
    *watch = (struct helper_watch){.instance = instance, .fd = -1};
    ev_init(&watch->answered, on_answered);
    ev_timer_init(&watch->limit, on_limit, HELPER_PULSE_MS / 1000.0, 0.0);
    watch->answered.data = watch->limit.data = watch;
}

void helper_watch_stop(struct helper_watch *watch)
{
    end_check(watch);
    if (watch->fd != -1)
        close(watch->fd);
    watch->fd = -1;
    watch->pid = 0;
}

int helper_watch_open(struct helper_watch *watch)
{
    int pair[2];

    helper_watch_stop(watch);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return -1;
    watch->fd = pair[0];
    return pair[1];
}

void helper_watch_start(struct helper_watch *watch, pid_t pid)
{
    watch->pid = pid;
}

void helper_watch_check(struct helper_watch *watch)
{
    if (watch->pid == 0 || watch->fd == -1 || ev_is_active(&watch->limit))
        return;
    /* Where it cannot be sent no answer comes either. */
    (void)send(watch->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    ev_io_set(&watch->answered, watch->fd, EV_READ);
    ev_io_start(EV_DEFAULT, &watch->answered);
    ev_timer_set(&watch->limit, HELPER_PULSE_MS / 1000.0, 0.0);
    ev_timer_start(EV_DEFAULT, &watch->limit);
}
