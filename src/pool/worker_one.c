/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of a worker that serves one session at a time. While idle it sleeps in accept(): the
 * kernel wakes one worker for a connection, and no other call is needed. After a session the master
 * may let it rest: it then waits in its slot until it is called to accept() again.
 *
 * Signals are not blocked. A handler sets a flag. Where the worker may be about to sleep in
 * accept(), the handler also replaces the listening socket by /dev/null, so that a signal that
 * comes just before the call ends it too. For a rest it sets is_called in the slot. A session that
 * is about to sleep may miss a flag: the master sends such a signal again until it is heard.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"
#include "base/process.h"
#include "io/wait.h"
#include "pool/place.h"
#include "pool/pool_slots.h"
#include "pool/worker.h"
#include "pool/worker_kinds.h"

static volatile sig_atomic_t is_retiring PROCESS_OWN;
static int listener_fd PROCESS_OWN;
static struct place place PROCESS_OWN;
static struct scoreboard_slot *own_slot PROCESS_OWN;

/* ---- signals ---- */

static void on_retire(int number)
{
    (void)number;
    is_retiring = 1;
    dup2(STDIN_FILENO, listener_fd); /* /dev/null */
    atomic_store(&own_slot->is_called, 1);
}

static void on_stop(int number)
{
    place.is_stopping = 1;
    wait_request_stop();
    on_retire(number);
}

static void on_shed(int number)
{
    (void)number;
    if (place_is_told(&place))
        wait_request_stop();
}

static void set_signals(void)
{
    struct sigaction action = {.sa_handler = on_retire};
    sigset_t none;

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, WORKER_SIGNAL_RETIRE);
    sigaddset(&action.sa_mask, WORKER_SIGNAL_STOP);
    sigaddset(&action.sa_mask, WORKER_SIGNAL_SHED);
    sigaction(WORKER_SIGNAL_RETIRE, &action, NULL);
    action.sa_handler = on_stop;
    sigaction(WORKER_SIGNAL_STOP, &action, NULL);
    action.sa_handler = on_shed;
    sigaction(WORKER_SIGNAL_SHED, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int worker_one_prepare(const struct worker *worker)
{
    listener_fd = worker->pool->listener->fd;
    if (descriptors_detach_standard(log_descriptor()) == -1)
        return -1;
    own_slot = worker->slot;
    place_init(&place, worker->pool, worker->slot);
    set_signals();
    return STDIN_FILENO;
}

/* ---- resting ---- */

static bool must_rest(const struct worker *worker)
{
    struct scoreboard *scoreboard = worker->pool->scoreboard;
    size_t index = pool_worker_of(worker->pool, worker->slot);

    return !is_retiring && index >= atomic_load(&scoreboard->listening_most);
}

/* The master first allows the worker to listen and then sets is_called, so a call that comes between
 * the check and the sleep is not missed. */
static void rest(struct worker *worker)
{
    scoreboard_set_state(worker->slot, SCOREBOARD_RESTING);
    do {
        atomic_store(&worker->slot->is_called, 0);
        if (must_rest(worker))
            scoreboard_rest(worker->slot);
    } while (must_rest(worker));
}

/* ---- the loop ---- */

static void serve(struct worker *worker, int fd, const struct address *client)
{
    struct session session;
    struct session_start start = worker_session_start(worker, &place, client);
    enum outcome outcome;

    worker_count_out(worker);
    place_begin(&place, fd);
    outcome = session_run(&session, &start, fd, fd);
    place_end(&place, &session, outcome);
    if (must_rest(worker))
        rest(worker);
    worker_count_in(worker);
}

/* After an accept() that failed because there are no descriptors or no memory: the connection waits
 * in the backlog, and trying again at once would only use up the processor. */
static void pause_after_failure(const struct worker *worker)
{
    enum { PAUSE_MS = 50 };

    worker_accept_failed(worker);
    (void)poll(NULL, 0, PAUSE_MS);
}

/* The socket does not block any more if, before a reload, workers with many sessions shared it. */
static void wait_for_connection(void)
{
    struct pollfd waiting = {.fd = listener_fd, .events = POLLIN};

    (void)poll(&waiting, 1, -1);
}

int worker_one_run(struct worker *worker)
{
    int64_t sessions_left = worker->pool->instance->values->max_sessions;

    worker_count_in(worker);
    while (!is_retiring) {
        struct address client;
        int fd = worker_accept(listener_fd, &client, 0);

        if (fd == -1) {
            if (errno == EAGAIN)
                wait_for_connection();
            else if (!is_retiring && !worker_is_connection_error(errno))
                pause_after_failure(worker);
            continue;
        }
        serve(worker, fd, &client);
        if (sessions_left > 0 && --sessions_left == 0)
            break;
    }
    scoreboard_set_state(worker->slot, SCOREBOARD_LEAVING);
    scoreboard_add_idle(worker->pool->scoreboard, -1);
    return EX_OK;
}
