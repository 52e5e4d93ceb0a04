/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Polls the state of a file once a second. inotify would see nothing on a network file system, where
 * tables of several gateways often lie.
 */
#include "route/route_watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "route/route_file.h"

#define POLL_S 1.0

void route_watch_complain(struct route_watch *watch, const char *text, bool has_old_content)
{
    snprintf(watch->why, sizeof(watch->why), "%s", text);
    log_message(EVENT_ROUTE_TABLE_BROKEN, "%s%s", text,
                has_old_content ? "; the old content stays in force" : "");
}

static void note_gone(struct route_watch *watch, int error)
{
    if (watch->is_gone)
        return;
    watch->is_gone = true;
    memset(&watch->tried, 0, sizeof(watch->tried)); /* if it comes back, it is new */
    watch->gone(watch->owner);
    snprintf(watch->why, sizeof(watch->why), "%s: %s", watch->path, strerror(error));
    log_message(EVENT_ROUTE_TABLE_BROKEN, "%s", watch->why);
}

static void on_poll(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct route_watch *watch = timer->data;
    struct stat now;
    bool is_quiet;

    (void)loop;
    (void)events;
    if (stat(watch->path, &now) == -1) {
        note_gone(watch, errno);
        return;
    }
    watch->is_gone = false;
    is_quiet = route_file_is_same(&now, &watch->seen);
    watch->seen = now;
    if (!is_quiet || route_file_is_same(&now, &watch->tried))
        return;
    watch->tried = now;
    watch->changed(watch->owner);
}

void route_watch_start(struct route_watch *watch, struct ev_loop *loop, const char *path,
                       void *owner)
{
    watch->loop = loop;
    watch->path = path;
    watch->owner = owner;
    watch->is_gone = stat(path, &watch->seen) == -1;
    if (!watch->is_gone)
        watch->tried = watch->seen;
    ev_timer_init(&watch->poll, on_poll, POLL_S, POLL_S);
    watch->poll.data = watch;
    ev_timer_start(loop, &watch->poll);
}

void route_watch_stop(struct route_watch *watch)
{
    ev_timer_stop(watch->loop, &watch->poll);
}
