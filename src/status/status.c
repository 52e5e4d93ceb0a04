/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's side of the status: its child, which is started again when it dies and replaced when
 * what it shows has changed.
 */
#include "status/status.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_recent.h"
#include "base/respawn.h"
#include "base/sandbox.h"
#include "base/shared.h"
#include "pool/hold.h"
#include "pool/kick_relay.h"
#include "pool/pool_kick.h"
#include "pool/trace_mark.h"
#include "status/status_process.h"
#include "status/status_sockets.h"

#include "config.h"

#define KICK_PAUSE_S 0.01

enum { KICKS_MAX = 100 }; /* for so many pauses workers are told that a session is to end */

static struct {
    int64_t started_ms;        /* of the server; 0: status_prepare() was not called yet */
    struct pool *const *pools; /* the master's list, as it changes */
    struct status_reloads *reloads;
    struct status_history *history;
    enum status_page page;
    int wake_fd; /* an eventfd: the process has marked sessions that are to end; -1: none */
    ev_io woken;
    ev_timer kicks; /* runs while there may be marked sessions */
    unsigned kicks_left;
    kick_relay_tell *tell_predecessor;
    uid_t uid;
    gid_t gid;
    pid_t pid; /* 0: none */
    struct respawn respawn;
} status = {.wake_fd = -1};

/* ---- the child ---- */

static void fork_process(void)
{
    struct status_process process = {.pools = *status.pools,
                                     .reloads = status.reloads,
                                     .history = status.history,
                                     .page = status.page,
                                     .started_ms = status.started_ms,
                                     .control_fd = status_sockets_control(),
                                     .metrics_fd = status_sockets_metrics(),
                                     .wake_fd = status.wake_fd,
                                     .uid = status.uid,
                                     .gid = status.gid,
                                     .master_pid = getpid()};
    pid_t pid = child_fork();

    if (pid == 0)
        _exit(status_process_run(&process));
    status.pid = pid == -1 ? 0 : pid;
    if (pid != -1)
        return;
    log_message(EVENT_STATUS, "cannot fork: %s", strerror(errno));
    (void)respawn_later_s(&status.respawn, fork_process);
}

static void end_process(void)
{
    respawn_cancel(&status.respawn);
    if (status.pid != 0)
        kill(status.pid, STATUS_SIGNAL_LEAVE);
    status.pid = 0; /* when it is reaped, nobody misses it */
}

bool status_reap(pid_t pid, int wait_status)
{
    char end[SANDBOX_END_SIZE];

    if (pid == 0 || pid != status.pid)
        return false;
    status.pid = 0;
    log_message_at(LOG_LEVEL_ALERT, EVENT_STATUS,
                   "the process died (%s); a new one is started in %.1f s",
                   sandbox_end_text(SANDBOX_STATUS, pid, wait_status, end),
                   respawn_later_s(&status.respawn, fork_process));
    return true;
}

/* ---- sessions that the operator ends ---- */

/* A worker may miss its signal, so it is sent until the session is over. A worker that was broken
 * into can keep its mark, so the times are counted. */
static void on_kicks(struct ev_loop *loop, ev_timer *timer, int events)
{
    bool has_any = false;

    (void)events;
    for (const struct pool *pool = *status.pools; pool != NULL; pool = pool->next)
        has_any |= pool_kick_tell(pool);
    kick_relay_update(*status.pools);
    if (!has_any || --status.kicks_left == 0)
        ev_timer_stop(loop, timer);
}

static void begin_kicks(void)
{
    status.kicks_left = KICKS_MAX;
    if (ev_is_active(&status.kicks))
        return;
    ev_timer_set(&status.kicks, 0.0, KICK_PAUSE_S);
    ev_timer_start(EV_DEFAULT, &status.kicks);
}

static void on_woken(struct ev_loop *loop, ev_io *watcher, int events)
{
    uint64_t count;

    (void)loop;
    (void)events;
    if (read(watcher->fd, &count, sizeof(count)) != sizeof(count) || status.pools == NULL)
        return;
    kick_relay_pass_on(status.tell_predecessor);
    begin_kicks();
}

void status_take_orders(void)
{
    if (status.pools == NULL)
        return;
    kick_relay_take(*status.pools, status.tell_predecessor);
    begin_kicks();
}

static void open_wake(void)
{
    if (status.wake_fd != -1)
        return;
    ev_init(&status.kicks, on_kicks);
    status.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (status.wake_fd == -1)
        return; /* `kick` then says that the sessions have not ended */
    ev_io_init(&status.woken, on_woken, status.wake_fd, EV_READ);
    ev_io_start(EV_DEFAULT, &status.woken);
}

/* ---- for the master ---- */

static void note_reload(const struct status_reload *reload)
{
    if (status.reloads == NULL)
        return;
    seqlock_begin_write(&status.reloads->lock);
    status.reloads->last = *reload;
    seqlock_end_write(&status.reloads->lock);
}

int status_prepare(const struct conf *conf, struct error *error)
{
    if (status.started_ms == 0)
        status.started_ms = clock_now_ms();
    if (status.reloads == NULL)
        status.reloads = shared_new(sizeof(*status.reloads));
    if (status.history == NULL)
        status.history = shared_new(sizeof(*status.history));
    log_recent_open();
    trace_prepare();
    hold_prepare();
    kick_relay_prepare();
    open_wake();
    return status_sockets_prepare(conf, error);
}

void status_forget(void)
{
    status_sockets_forget();
}

void status_refresh(void)
{
    end_process();
    if (status_sockets_control() != -1 || status_sockets_metrics() != -1)
        fork_process();
}

void status_restart(struct pool *const *pools, const struct conf *conf,
                    kick_relay_tell *tell_predecessor)
{
    status.tell_predecessor = tell_predecessor;
    end_process();
    status_sockets_commit();
    note_reload(&(struct status_reload){.loaded_at = clock_wall_s()});
    status.pools = pools;
    status.page = (enum status_page)conf->proxy.values.status_page;
    status.uid = conf->uid;
    status.gid = conf->gid;
    status_refresh();
}

void status_note_failed_reload(const char *why)
{
    struct status_reload failed = {.failed_at = clock_wall_s()};

    if (status.reloads == NULL)
        return;
    failed.loaded_at = status.reloads->last.loaded_at;
    snprintf(failed.why, sizeof(failed.why), "%s", why);
    note_reload(&failed);
}

/* The master ends with its last session: nobody else can tell that it has no more. */
static void answer_last_orders(void)
{
    if (status.pools == NULL || *status.pools != NULL)
        return;
    kick_relay_take(NULL, status.tell_predecessor);
    kick_relay_update(NULL);
}

void status_stop(void)
{
    end_process();
    answer_last_orders();
    ev_io_stop(EV_DEFAULT, &status.woken);
    ev_timer_stop(EV_DEFAULT, &status.kicks);
    status_sockets_close();
}

void status_pass(void)
{
    status_sockets_pass();
    hold_pass();
    kick_relay_pass();
}
