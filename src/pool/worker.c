/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start of a worker: the forked process gives up what it does not need and then serves, one
 * session at a time or many.
 */
#include "pool/worker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "base/sandbox.h"
#include "config/conf_sandbox.h"
#include "config/conf_tls.h"
#include "pool/trace_mark.h"
#include "pool/worker_base.h"
#include "pool/worker_kinds.h"

/* The process becomes one that may read from the network: without rights, without a core file, with
 * nothing open and no key that it does not need. */
static int confine(struct pool *pool, int kept_fd)
{
    int keep[] = {pool->listener->fd, kept_fd, pool->notify_fd, pool->request_fds[0],
                  trace_write_descriptor()};
    struct error error;

    child_drop_descriptors(keep, sizeof(keep) / sizeof(keep[0]));
    conf_tls_keep_only(pool->instance);
    if (child_drop_rights(pool->instance->values->chroot, pool->uid, pool->gid, &error) == -1) {
        log_repeat_message(EVENT_PRIVILEGES, "%s", error.text);
        return -1;
    }
    return 0;
}

/* The last thing before the first session: nothing is opened after this. */
static int enter_sandbox(const struct pool *pool)
{
    struct sandbox_view view;
    struct error error;

    conf_sandbox_sessions(pool->instance, &view);
    if (sandbox_enter(pool->places > 1 ? SANDBOX_WORKER_MANY : SANDBOX_WORKER_ONE, &view, &error) == 0)
        return 0;
    log_repeat_message(EVENT_SANDBOX, "%s", error.text);
    return -1;
}

/* The master then checks whether the helper still answers. */
static void on_helper_silence(void *context)
{
    struct pool *pool = context;
    uint64_t one = 1;

    atomic_store(&pool->scoreboard->is_helper_silent, 1);
    (void)!write(pool->notify_fd, &one, sizeof(one));
}

int worker_run(struct pool *pool, struct scoreboard_slot *slot)
{
    static const int own_signals[] = {WORKER_SIGNAL_RETIRE, WORKER_SIGNAL_STOP,
                                      WORKER_SIGNAL_SHED};
    struct worker worker = {.pool = pool, .slot = slot};
    pid_t master_pid = pool->master_pid;
    bool has_many = pool->places > 1;
    int kept_fd;

    child_reset_signals(own_signals, sizeof(own_signals) / sizeof(own_signals[0]));
    kept_fd = has_many ? worker_many_prepare(&worker) : worker_one_prepare(&worker);
    if (kept_fd == -1 || confine(pool, kept_fd) == -1)
        return EX_OSERR;
    /* Retire when the master dies. It may have died before this call. */
    prctl(PR_SET_PDEATHSIG, WORKER_SIGNAL_RETIRE);
    if (getppid() != master_pid)
        return EX_OK;
    log_count_lost_in(&pool->memory->totals->log_lost);
    helper_init_shared(&worker.helper, pool->instance, pool->request_fds[0], on_helper_silence,
                       pool);
    atomic_store(&slot->started_ms, clock_now_ms());
    if (enter_sandbox(pool) == -1)
        return EX_OSERR;
    return has_many ? worker_many_run(&worker) : worker_one_run(&worker);
}
