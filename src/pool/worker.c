/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every worker is: a process without privileges that shares a listening socket with the others
 * of its pool and counts itself among those that can take a connection.
 */
#include "pool/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/privileges.h"
#include "pool/worker_kinds.h"

int worker_accept(int listener_fd, struct address *client)
{
    client->length = sizeof(client->storage);
    return accept4(listener_fd, &client->sa, &client->length, SOCK_CLOEXEC);
}

bool worker_is_connection_error(int error)
{
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH;
}

struct session_start worker_session_start(struct worker *worker, struct place *place,
                                          const struct address *client)
{
    return (struct session_start){.conf = worker->pool->instance,
                                  .helper = &worker->helper,
                                  .watch = &place->watch,
                                  .client_address = client,
                                  .known_servers = &worker->known_servers,
                                  .own_addresses = worker->pool->own_addresses,
                                  .own_address_count = worker->pool->own_address_count};
}

void worker_log_accept_failure(void)
{
    enum { LOG_EVERY_MS = 10000 };
    static int64_t quiet_until_ms;
    int64_t now_ms = clock_now_ms();

    if (now_ms < quiet_until_ms)
        return;
    quiet_until_ms = now_ms + LOG_EVERY_MS;
    log_message(EVENT_ACCEPT_FAILED, "%s", strerror(errno));
}

/* ---- being counted ---- */

/* The state says busy before the count goes down, and idle after it has gone up: the master, which
 * counts afresh now and then, may then find too few idle, never too many. */
void worker_count_in(struct worker *worker)
{
    atomic_fetch_add(&worker->pool->scoreboard->idle, 1);
    atomic_store(&worker->slot->state, SCOREBOARD_IDLE);
}

void worker_count_out(struct worker *worker)
{
    struct scoreboard *scoreboard = worker->pool->scoreboard;
    uint64_t one = 1;

    atomic_store(&worker->slot->state, SCOREBOARD_BUSY);
    /* Nobody is left for the next connection: the master may want to fork. */
    if (atomic_fetch_sub(&scoreboard->idle, 1) <= 1 &&
        !atomic_exchange(&scoreboard->is_master_awake, true))
        (void)!write(worker->pool->notify_fd, &one, sizeof(one));
}

/* ---- the start ---- */

/* ^C at the terminal and the signals of the master's own are the master's business. */
static void ignore_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
}

/* The process becomes what reads from the network: no privileges, no core, nothing open that it
 * does not need. */
static int confine(struct pool *pool, int kept_fd)
{
    const struct conf_values *values = pool->instance->values;
    int keep[] = {pool->listener->fd, kept_fd, pool->notify_fd, pool->request_fds[0],
                  log_descriptor()};
    struct error error;

    descriptors_detach_standard(log_descriptor());
    descriptors_close_all_but(keep, sizeof(keep) / sizeof(keep[0]));
    if (values->chroot != NULL && (chroot(values->chroot) == -1 || chdir("/") == -1)) {
        log_message(EVENT_PRIVILEGES, "chroot = %s: %s", values->chroot,
                    strerror(errno));
        return -1;
    }
    if (privileges_drop(pool->uid, pool->gid, &error) == -1) {
        log_message(EVENT_PRIVILEGES, "%s", error.text);
        return -1;
    }
    privileges_harden(0);
    return 0;
}

int worker_run(struct pool *pool, struct scoreboard_slot *slot)
{
    struct worker worker = {.pool = pool, .slot = slot};
    pid_t master_pid = pool->master_pid;
    bool has_many = pool->places > 1;
    int kept_fd;

    ignore_signals();
    kept_fd = has_many ? worker_many_prepare(&worker) : worker_one_prepare(&worker);
    if (kept_fd == -1 || confine(pool, kept_fd) == -1)
        return EX_OSERR;
    /* The master's death is a word to retire; it may have died before we could say so. */
    prctl(PR_SET_PDEATHSIG, WORKER_SIGNAL_RETIRE);
    if (getppid() != master_pid)
        return EX_OK;
    log_count_lost_in(&pool->memory->totals->log_lost);
    helper_init_shared(&worker.helper, pool->instance, pool->request_fds[0]);
    atomic_store(&slot->started_ms, clock_now_ms());
    if (has_many)
        worker_many_run(&worker);
    else
        worker_one_run(&worker);
    return EX_OK;
}
