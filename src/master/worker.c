/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's loop. It sleeps in accept() while idle: the kernel wakes one worker for a
 * connection, and no call is made in between.
 *
 * Signals are open all the time. A handler sets a flag; where the worker may be about to sleep in
 * accept(), it also replaces the listening socket by /dev/null, so that a signal that comes just
 * before the call ends it too. A session that is about to sleep may miss a flag; the master says
 * it again until it is heard.
 */
#include "master/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/account.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "master/privileges.h"
#include "session/session.h"

static volatile sig_atomic_t is_retiring;
static volatile sig_atomic_t is_stopping;
static volatile sig_atomic_t is_shed;
static int listener_fd;
static int null_fd;
static struct scoreboard_slot *own_slot;

/* ---- signals ---- */

static void on_retire(int number)
{
    (void)number;
    is_retiring = 1;
    dup2(null_fd, listener_fd);
}

static void on_stop(int number)
{
    is_stopping = 1;
    wait_request_stop();
    on_retire(number);
}

static void on_shed(int number)
{
    (void)number;
    if (atomic_load(&own_slot->shed_session) != atomic_load(&own_slot->session) ||
        atomic_load(&own_slot->is_logged_in))
        return;
    is_shed = 1;
    wait_request_stop();
}

static void set_signals(void)
{
    struct sigaction action = {.sa_handler = on_retire};
    sigset_t none;

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(WORKER_SIGNAL_RETIRE, &action, NULL);
    action.sa_handler = on_stop;
    sigaction(WORKER_SIGNAL_STOP, &action, NULL);
    action.sa_handler = on_shed;
    sigaction(WORKER_SIGNAL_SHED, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    /* ^C at the terminal and the signals of the master's own are the master's business. */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- what the pool wants to know of a session ---- */

static void give_place_back(struct pool *pool)
{
    uint64_t key = atomic_exchange(&own_slot->account, 0);

    if (key != 0)
        account_give_place_back(pool->memory->accounts, key);
}

static enum outcome admit(void *context, const struct session *session)
{
    struct pool *pool = context;
    const struct conf_values *values = &pool->instance->section.values;
    uint64_t key = address_account_key(&session->client_address);
    int64_t now_ms = clock_now_ms();
    char client[ADDRESS_TEXT_SIZE];

    scoreboard_write_texts(own_slot, session->id,
                           address_host_text(&session->client_address, client), "", "");
    if (!account_may_try(pool->memory->accounts, key, (int)values->login_failures, now_ms))
        return OUTCOME_TOO_MANY_FAILURES;
    if (!account_take_place(pool->memory->accounts, key, (int)values->max_per_ip, now_ms))
        return OUTCOME_TOO_MANY_PER_IP;
    atomic_store(&own_slot->account, key);
    return OUTCOME_NONE;
}

static enum outcome may_log_in(void *context, const struct session *session)
{
    struct pool *pool = context;
    bool may_try = account_may_try(pool->memory->accounts,
                                   address_account_key(&session->client_address),
                                   (int)pool->instance->section.values.login_failures,
                                   clock_now_ms());

    return may_try ? OUTCOME_NONE : OUTCOME_TOO_MANY_FAILURES;
}

static void logged_in(struct pool *pool)
{
    atomic_store(&own_slot->is_logged_in, true);
    if (is_shed && !is_stopping)
        wait_clear_stop(); /* asked too late: who has logged in stays */
    is_shed = 0;
    give_place_back(pool);
    scoreboard_add(&pool->memory->totals->logins, 1);
}

static void progress(void *context, const struct session *session)
{
    int stage = (int)session->stage;

    atomic_store_explicit(&own_slot->octets, session->reply_octets, memory_order_relaxed);
    if (atomic_load_explicit(&own_slot->stage, memory_order_relaxed) == stage)
        return;
    atomic_store(&own_slot->stage, stage);
    scoreboard_write_texts(own_slot, NULL, NULL, session->user, session->server_name.host);
    if (stage == SESSION_STAGE_RELAY)
        logged_in(context);
}

static bool is_session_shed(void *context)
{
    (void)context;
    return is_shed && !is_stopping;
}

static void count_session(struct pool *pool, const struct session *session, enum outcome outcome)
{
    struct scoreboard_totals *totals = pool->memory->totals;

    scoreboard_add(&totals->octets, session->reply_octets);
    scoreboard_add(&totals->retrieved, session->retrieved);
    scoreboard_add(&totals->deleted, session->deleted);
    scoreboard_add(&totals->refused, session->refused);
    scoreboard_add(&totals->outcomes[outcome], 1);
    if (outcome == OUTCOME_LOGIN_REFUSED || outcome == OUTCOME_ACCESS_DENIED)
        account_count_failure(pool->memory->accounts,
                              address_account_key(&session->client_address), clock_now_ms());
}

/* ---- one session ---- */

static void begin_slot(struct pool *pool)
{
    struct scoreboard *scoreboard = pool->scoreboard;
    uint64_t one = 1;
    bool is_last_idle;

    /* Busy before the count goes down, and in end_slot() the other way round: the master, which
     * counts afresh now and then, may then find too few idle, never too many. */
    atomic_store(&own_slot->state, SCOREBOARD_BUSY);
    is_last_idle = atomic_fetch_sub(&scoreboard->idle, 1) <= 1;
    is_shed = 0;
    if (!is_stopping)
        wait_clear_stop();
    atomic_fetch_add(&own_slot->session, 1);
    atomic_store(&own_slot->is_logged_in, false);
    atomic_store(&own_slot->stage, SESSION_STAGE_LOGIN);
    atomic_store(&own_slot->octets, 0);
    atomic_store(&own_slot->started_ms, clock_now_ms());
    scoreboard_add(&scoreboard->accepted, 1);
    scoreboard_add(&pool->memory->totals->sessions, 1);
    /* Nobody is left for the next connection: the master may want to fork. */
    if (is_last_idle && !atomic_exchange(&scoreboard->is_master_awake, true))
        (void)!write(pool->notify_fd, &one, sizeof(one));
}

static void end_slot(struct pool *pool)
{
    give_place_back(pool);
    atomic_store(&own_slot->started_ms, clock_now_ms());
    atomic_fetch_add(&pool->scoreboard->idle, 1);
    atomic_store(&own_slot->state, SCOREBOARD_IDLE);
}

static void serve(struct pool *pool, struct helper *helper, int fd)
{
    static struct session session;
    static struct known_servers known_servers;
    struct session_watch watch = {.context = pool,
                                  .admit = admit,
                                  .may_log_in = may_log_in,
                                  .progress = progress,
                                  .is_shed = is_session_shed};
    struct session_start start = {.conf = pool->instance,
                                  .helper = helper,
                                  .watch = &watch,
                                  .known_servers = &known_servers,
                                  .own_addresses = pool->own_addresses,
                                  .own_address_count = pool->own_address_count};
    enum outcome outcome;

    begin_slot(pool);
    outcome = session_run(&session, &start, fd, fd);
    count_session(pool, &session, outcome);
    end_slot(pool);
}

/* ---- the loop ---- */

/* A short pause after an accept() that failed for want of descriptors or memory: the connection
 * waits in the backlog, and trying at once again would only burn the processor. */
static void pause_after_failure(void)
{
    enum { PAUSE_MS = 50, LOG_EVERY_MS = 10000 };
    static int64_t quiet_until_ms;
    int64_t now_ms = clock_now_ms();

    if (now_ms >= quiet_until_ms) {
        quiet_until_ms = now_ms + LOG_EVERY_MS;
        log_message(LOG_LEVEL_ERROR, "accept-failed", "%s", strerror(errno));
    }
    (void)poll(NULL, 0, PAUSE_MS);
}

static bool is_connection_error(int error)
{
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH;
}

static void serve_until_retired(struct pool *pool, struct helper *helper)
{
    int64_t sessions_left = pool->instance->section.values.max_sessions;

    while (!is_retiring) {
        int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd == -1) {
            if (!is_retiring && !is_connection_error(errno))
                pause_after_failure();
            continue;
        }
        serve(pool, helper, fd);
        if (sessions_left > 0 && --sessions_left == 0)
            break;
    }
}

/* The process becomes what reads from the network: no privileges, no core, nothing open that it
 * does not need. */
static int confine(struct pool *pool)
{
    const struct conf_values *values = &pool->instance->section.values;
    int keep[] = {listener_fd, null_fd, pool->notify_fd, pool->request_fds[0], log_descriptor()};
    struct error error;

    descriptors_detach_standard(log_descriptor());
    descriptors_close_all_but(keep, sizeof(keep) / sizeof(keep[0]));
    if (values->chroot != NULL && (chroot(values->chroot) == -1 || chdir("/") == -1)) {
        log_message(LOG_LEVEL_ERROR, "privileges", "chroot = %s: %s", values->chroot,
                    strerror(errno));
        return -1;
    }
    if (privileges_drop(pool->uid, pool->gid, &error) == -1) {
        log_message(LOG_LEVEL_ERROR, "privileges", "%s", error.text);
        return -1;
    }
    privileges_harden(0);
    return 0;
}

int worker_run(struct pool *pool, struct scoreboard_slot *slot)
{
    struct helper helper;
    pid_t master_pid = pool->master_pid;

    own_slot = slot;
    listener_fd = pool->listener->fd;
    null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    set_signals();
    if (null_fd == -1 || confine(pool) == -1)
        return EX_OSERR;
    /* The master's death is a word to retire; it may have died before we could say so. */
    prctl(PR_SET_PDEATHSIG, WORKER_SIGNAL_RETIRE);
    if (getppid() != master_pid)
        return EX_OK;
    log_count_lost_in(&pool->memory->totals->log_lost);
    helper_init_shared(&helper, pool->instance, pool->request_fds[0]);
    atomic_store(&slot->started_ms, clock_now_ms());
    atomic_fetch_add(&pool->scoreboard->idle, 1);
    atomic_store(&slot->state, SCOREBOARD_IDLE);
    serve_until_retired(pool, &helper);
    atomic_store(&slot->state, SCOREBOARD_LEAVING);
    atomic_fetch_sub(&pool->scoreboard->idle, 1);
    return EX_OK;
}
