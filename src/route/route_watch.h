/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches the file of a table: tells its owner when there is a new content, and when the file is
 * gone, and logs what is wrong with it once. For all tables that are one file.
 *
 * A change is told after one to two seconds, when the file has not changed again between two polls:
 * a file that is being written in place is not taken half.
 */
#ifndef ROUTE_ROUTE_WATCH_H
#define ROUTE_ROUTE_WATCH_H

#include <ev.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

struct route_watch {
    const char *path;
    struct ev_loop *loop;
    ev_timer poll;
    struct stat seen;  /* at the last poll */
    struct stat tried; /* the content that the owner was told of last */
    bool is_gone;
    char why[ERROR_TEXT_SIZE]; /* what was wrong last */
    void *owner;
    /* Take the new content. A broken one is reported by route_watch_complain(). */
    void (*changed)(void *owner);
    /* The file is gone: the old content must not answer any more, because nobody knows what the
     * new one would say. */
    void (*gone)(void *owner);
};

/* Begins to watch the file; its state now counts as told. `path` stays valid until the stop. */
void route_watch_start(struct route_watch *watch, struct ev_loop *loop, const char *path,
                       void *owner);
void route_watch_stop(struct route_watch *watch);

/* Keeps the text in `why` and logs it, with a note that the old content answers if it does. */
void route_watch_complain(struct route_watch *watch, const char *text, bool has_old_content);

#endif
