/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork, reap, and fork again.
 */
#include "master/checks.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/respawn.h"
#include "base/sandbox.h"
#include "check/check_process.h"

static struct {
    const struct conf *conf;
    pid_t pid; /* 0: none */
    struct respawn respawn;
} checks;

static void fork_process(void)
{
    pid_t master_pid = getpid();
    pid_t pid = child_fork();

    if (pid == 0)
        _exit(check_process_run(checks.conf, master_pid));
    checks.pid = pid == -1 ? 0 : pid;
    if (pid == -1)
        log_message(EVENT_CHECKS, "cannot fork: %s; the next try is in %.1f s", strerror(errno),
                    respawn_later_s(&checks.respawn, fork_process));
}

void checks_stop(void)
{
    respawn_cancel(&checks.respawn);
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

bool checks_reap(pid_t pid, int wait_status)
{
    char end[SANDBOX_END_SIZE];

    if (pid == 0 || pid != checks.pid)
        return false;
    checks.pid = 0;
    log_message(EVENT_CHECKS, "the process died (%s); a new one is started in %.1f s",
                sandbox_end_text(SANDBOX_CHECK, pid, wait_status, end),
                respawn_later_s(&checks.respawn, fork_process));
    return true;
}
