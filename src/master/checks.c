/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork, reap, and fork again.
 */
#include "master/checks.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/back_off.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "check/check_process.h"

/* A process that has lived for half a minute is replaced quickly. */
static const struct back_off_limits limits = {.min_ms = 100, .max_ms = 10000, .forget_ms = 30000};

static struct {
    const struct conf *conf;
    pid_t pid; /* 0: none */
    struct back_off back_off;
    ev_timer pause;
} checks;

static void fork_process(void);

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fork_process();
}

static void fork_later(const char *why)
{
    double pause_s = (double)back_off_next_ms(&checks.back_off, &limits, clock_now_ms()) / 1e3;

    log_message(EVENT_CHECKS, "%s; a new process is started in %.1f s", why, pause_s);
    ev_timer_init(&checks.pause, on_pause_over, pause_s, 0.0);
    ev_timer_start(EV_DEFAULT, &checks.pause);
}

static void fork_process(void)
{
    pid_t master_pid = getpid();
    pid_t pid = child_fork();

    if (pid == 0)
        _exit(check_process_run(checks.conf, master_pid));
    checks.pid = pid == -1 ? 0 : pid;
    if (pid == -1)
        fork_later(strerror(errno));
}

void checks_stop(void)
{
    ev_timer_stop(EV_DEFAULT, &checks.pause);
    if (checks.pid != 0)
        kill(checks.pid, SIGTERM);
    checks.pid = 0; /* when it is reaped, nobody misses it */
}

void checks_restart(const struct conf *conf)
{
    checks_stop();
    checks.conf = conf;
    if (check_is_needed(conf))
        fork_process();
}

bool checks_reap(pid_t pid)
{
    if (pid == 0 || pid != checks.pid)
        return false;
    checks.pid = 0;
    fork_later("the process died");
    return true;
}
