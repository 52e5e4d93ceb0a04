/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's loop: it turns signals into what the processes do.
 *
 * A start and a reload take the same two steps: prepare() does everything that may fail and changes
 * nothing that runs; put_in_force() cannot fail. When anything is wrong, the old configuration
 * stays in force.
 *
 * What a signal does in each phase stands in the table `reactions` below:
 *
 *              RUNNING   UPGRADING     DRAINING   REPLACED        STOPPING
 *   HUP        reload    reload later  -          successor: HUP  -
 *   TERM, INT  stop      stop          stop       stop            -
 *   QUIT       drain     drain         -          -               -
 *   USR1       reopen the logs (in every phase)
 *   USR2       upgrade   -             -          -               -
 */
#include "master/master.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/complain.h"
#include "base/descriptors.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/log_privacy.h"
#include "base/log_repeat.h"
#include "base/number.h"
#include "base/sandbox.h"
#include "config.h"
#include "config/conf_warn.h"
#include "master/checks.h"
#include "master/daemon.h"
#include "master/generations.h"
#include "master/handover.h"
#include "master/notify.h"
#include "master/pool_list.h"
#include "master/successor.h"
#include "master/tickets.h"
#include "master/upgrade.h"
#include "pool/group_memory.h"
#include "pool/listener.h"
#include "status/status.h"

#define READY_TICK_S     0.002
#define REPEATED_PAUSE_S 1.0
enum { READY_LIMIT_MS = 10000 };

enum phase {
    PHASE_RUNNING,
    PHASE_UPGRADING, /* running, and a new binary is starting */
    PHASE_DRAINING,  /* takes no more connections; sessions may finish */
    PHASE_REPLACED,  /* draining, because a new binary has taken over */
    PHASE_STOPPING,  /* sessions are told to end */
    PHASE_COUNT,
};

static struct {
    const struct options *options;
    enum phase phase;
    struct pool *pools;            /* those that retire or stop included */
    struct generation *generation; /* the one in force */
    bool is_at_terminal;           /* started by hand: without a log key the log goes there */
    bool is_ready;                 /* all pools have workers, and everybody was told */
    bool is_reload_due;            /* HUP came while a new binary was starting */
    ev_signal signals[6];
    ev_child children;
    ev_io repeated; /* lines of the log that were only counted */
    ev_timer repeated_pause;
    ev_timer grace;
    ev_timer watchdog;
    ev_timer ready;
    int64_t ready_deadline_ms;
    int exit_code;
} master;

/* ---- reports ---- */

static void report_to_log(void *context, const char *text)
{
    const enum log_level *level = context;

    log_message_at(*level, EVENT_CONFIGURATION, "%s", text);
}

static void tell_counts(void)
{
    size_t busy;
    size_t idle;

    pool_list_count(master.pools, &busy, &idle);
    notify_status(busy, idle);
}

/* ---- the end ---- */

/* A service manager takes the end of this process for the end of all sessions, and a stop reaches
 * the previous binary only through this process. So wait for its sessions too. */
static void leave_if_done(void)
{
    if (master.phase < PHASE_DRAINING || master.pools != NULL || upgrade_has_predecessor())
        return;
    status_stop();
    ev_break(EV_DEFAULT, EVBREAK_ALL);
}

static void on_grace_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    log_message(EVENT_MASTER, "sessions did not end in time and are killed");
    pool_list_for_each(master.pools, pool_kill);
    upgrade_forget_predecessor();
    leave_if_done();
}

/* What draining and stopping have in common. */
static void leave_service(enum phase next)
{
    bool is_service = master.phase == PHASE_RUNNING || master.phase == PHASE_UPGRADING;

    handover_cancel();
    checks_stop(); /* nobody chooses a server any more */
    ev_timer_stop(EV_DEFAULT, &master.ready); /* a pool that is not ready yet never will be */
    if (master.phase == PHASE_UPGRADING && next != PHASE_REPLACED)
        upgrade_cancel();
    if (next == PHASE_REPLACED)
        ev_timer_stop(EV_DEFAULT, &master.watchdog);
    else if (is_service)
        notify_stopping();
    master.phase = next;
}

static void stop(const char *why)
{
    double grace_s = (double)master.generation->conf.proxy.values.grace;

    log_message(EVENT_MASTER_STOPPING, "%s: sessions are ended", why);
    leave_service(PHASE_STOPPING);
    upgrade_stop_predecessor();
    pool_list_for_each(master.pools, pool_stop);
    ev_timer_init(&master.grace, on_grace_over, grace_s, 0.0);
    ev_timer_start(EV_DEFAULT, &master.grace);
    pool_list_drop_empty(&master.pools);
    leave_if_done();
}

static void drain(enum phase next, const char *why)
{
    log_message(EVENT_MASTER_DRAINING, "%s: no new sessions; those that run may finish", why);
    leave_service(next);
    pool_list_for_each(master.pools, pool_retire);
    status_refresh();
    pool_list_drop_empty(&master.pools);
    leave_if_done();
}

/* ---- a configuration comes into force ---- */

/* Puts the place where the key was set before an error about its value. Always returns -1. */
static int add_origin(const struct conf_section *proxy, enum conf_key key, struct error *error)
{
    struct error copy = *error;

    if (proxy->origin[key] != NULL)
        error_set(error, "%s: %s", proxy->origin[key], copy.text);
    return -1;
}

/* Without a syslog daemon the lines go to standard error, if that is more than the terminal of a
 * user who has started the server with -d. */
static void mind_syslog(const struct conf_section *proxy)
{
    struct error why;
    bool stands_in;

    if (log_is_heard() || log_find_daemon(&why) == 0)
        return;
    stands_in = !master.options->is_daemon && log_use_stderr();
    log_message_at(LOG_LEVEL_WARNING, EVENT_CONFIGURATION,
                   "%s: log = %s: %s; start one, or set log to a file; until then %s",
                   conf_origin(proxy, CONF_KEY_log), proxy->values.log, why.text,
                   stands_in ? "lines go to standard error" : "lines are lost");
    if (!stands_in && !master.is_ready)
        complain("log = %s: %s; start one, or set log to a file; until then lines are lost",
                 proxy->values.log, why.text);
}

/* A user who starts the server at a terminal wants to see the log there. */
static int open_log(const struct conf *conf, struct error *error)
{
    const struct conf_section *proxy = &conf->proxy;
    bool is_by_hand = proxy->origin[CONF_KEY_log] == NULL && master.is_at_terminal;

    log_set_format((enum log_format)proxy->values.log_format);
    log_privacy_set((enum log_privacy)proxy->values.log_privacy);
    if (log_open(is_by_hand ? "stderr" : proxy->values.log, error) == -1)
        return add_origin(proxy, CONF_KEY_log, error);
    log_guard();
    mind_syslog(proxy);
    return 0;
}

/* Undoes prepare(). */
static void abandon(struct pool *pools)
{
    pool_list_free(pools);
    status_forget();
    pidfile_forget();
}

/* Does everything that may fail, and changes nothing that runs. The pidfile comes first: "a server
 * is running already" says more than "its address is in use". Returns the new pools, or NULL with
 * `error` set. */
static struct pool *prepare(struct generation *generation, struct error *error)
{
    const struct conf_section *proxy = &generation->conf.proxy;
    struct pool *pools;

    if (pidfile_prepare(proxy->values.pidfile, error) == -1) {
        add_origin(proxy, CONF_KEY_pidfile, error);
        return NULL;
    }
    if (sandbox_prepare((enum sandbox_mode)proxy->values.sandbox, error) == -1) {
        add_origin(proxy, CONF_KEY_sandbox, error);
        pidfile_forget();
        return NULL;
    }
    pools = group_memory_attach(&generation->conf, error) == -1 ? NULL
                                                                 : pool_list_new(generation, error);
    if (pools != NULL && status_prepare(&generation->conf, error) == 0)
        return pools;
    abandon(pools);
    return NULL;
}

/* Takes over the caller's share of the generation. In a successor the pidfile remains the previous
 * binary's until this one is ready. */
static void put_in_force(struct generation *generation, struct pool *pools)
{
    enum log_level level = LOG_LEVEL_WARNING;
    struct pool *old = master.pools;

    if (!inherit_is_successor())
        pidfile_commit();
    sandbox_use((enum sandbox_mode)generation->conf.proxy.values.sandbox, log_is_syslog());
    tickets_prepare(pools, &master.pools);
    pool_list_start(&master.pools, pools);
    for (; old != NULL; old = old->next)
        pool_retire(old);
    generation_release(master.generation);
    master.generation = generation;
    pool_list_drop_empty(&master.pools);
    status_restart(&master.pools, &generation->conf, upgrade_tell_predecessor);
    checks_restart(&generation->conf);
    conf_warn(&generation->conf, false, report_to_log, &level);
    listener_announce_new();
}

/* ---- reload ---- */

static void on_handed_over(size_t left)
{
    const struct generation *generation = master.generation;

    if (left == 0)
        log_message(EVENT_RELOADED, "generation %u, %zu instance%s", generation->number,
                    generation->conf.count, number_plural(generation->conf.count));
    else
        log_message_at(
            LOG_LEVEL_WARNING, EVENT_RELOADED,
            "generation %u, %zu instance%s; after %d s %zu old worker%s, stopped or starved of CPU, "
            "may take one more connection%s under the old settings",
            generation->number, generation->conf.count, number_plural(generation->conf.count),
            (int)HANDOVER_LIMIT_S, left, number_plural(left), left == 1 ? "" : " each");
    notify_ready();
    tell_counts();
}

static void fail_reload(const char *why)
{
    log_message(EVENT_RELOAD_FAILED, "%s; the old settings stay in force", why);
    status_note_failed_reload(why);
    if (!handover_is_pending())
        notify_ready();
}

/* What is wrong with a new file: the first mistake, and how many there are. */
struct complaints {
    unsigned count;
    struct error first;
};

static void note_complaint(void *context, const char *text)
{
    struct complaints *complaints = context;

    log_message(EVENT_CONFIGURATION, "%s", text);
    if (complaints->count++ == 0)
        error_set(&complaints->first, "%s", text);
}

static const char *summary(const struct complaints *complaints, struct error *error)
{
    unsigned more = complaints->count == 0 ? 0 : complaints->count - 1;

    if (more == 0)
        error_set(error, "%s", complaints->first.text);
    else
        error_set(error, "%.400s (%u more mistake%s)", complaints->first.text, more,
                  number_plural(more));
    return error->text;
}

static void reload(void)
{
    struct complaints complaints = {.count = 0};
    struct generation *generation;
    struct pool *pools;
    struct error error;

    notify_reloading();
    generation = generation_load(master.options, note_complaint, &complaints);
    if (generation == NULL) {
        fail_reload(summary(&complaints, &error));
        return;
    }
    pools = prepare(generation, &error);
    if (pools != NULL && open_log(&generation->conf, &error) == -1) {
        abandon(pools);
        pools = NULL;
    }
    if (pools == NULL) {
        fail_reload(error.text);
        generation_release(generation);
        return;
    }
    put_in_force(generation, pools);
    handover_begin(&master.pools, on_handed_over);
}

static void reload_later(void)
{
    master.is_reload_due = true;
}

static void reopen_logs(void)
{
    struct error error;

    if (log_reopen(&error) == -1) {
        log_message(EVENT_CONFIGURATION, "%s", error.text);
        return;
    }
    pool_list_for_each(master.pools, pool_refresh);
    status_refresh();
    if (master.phase <= PHASE_UPGRADING)
        checks_restart(&master.generation->conf);
    log_message(EVENT_LOG_REOPENED, "generation %u", master.generation->number);
}

/* ---- upgrade ---- */

static void on_upgrade(enum upgrade_event event, const char *why)
{
    switch (event) {
    case UPGRADE_READY:
        pidfile_hand_on();
        status_stop(); /* the successor serves its paths now */
        if (master.is_reload_due)
            upgrade_reload_successor();
        drain(PHASE_REPLACED, "upgrade: the new binary has taken over");
        break;
    case UPGRADE_FAILED:
        log_message(EVENT_UPGRADE_FAILED, "this one goes on: the new binary %s", why);
        master.phase = PHASE_RUNNING;
        if (master.is_reload_due)
            reload();
        break;
    case UPGRADE_ORDERS:
        status_take_orders();
        break;
    case UPGRADE_STOP:
        if (master.phase != PHASE_STOPPING)
            stop("upgrade: the new binary is being stopped");
        break;
    }
}

static void pass_on(void)
{
    listener_pass();
    pidfile_pass();
    tickets_pass();
    log_privacy_pass();
    group_memory_pass();
    status_pass();
}

static void upgrade(void)
{
    master.is_reload_due = false;
    log_message(EVENT_UPGRADE, "starting the new binary");
    if (upgrade_start(EV_DEFAULT, pass_on, on_upgrade) == 0)
        master.phase = PHASE_UPGRADING;
}

/* ---- signals ---- */

static void stop_by_term(void)
{
    stop("TERM");
}

static void stop_by_int(void)
{
    stop("INT");
}

static void drain_by_quit(void)
{
    drain(PHASE_DRAINING, "QUIT");
}

typedef void reaction(void);

/* A new binary that is starting has read the file and taken the sockets as they were, so a reload
 * waits until it is clear which of the two goes on. NULL: nothing happens. */
/* clang-format off */
static const struct {
    int number;
    reaction *by_phase[PHASE_COUNT];
} reactions[] = {
    /*         RUNNING        UPGRADING      DRAINING      REPLACED                  STOPPING */
    {SIGHUP,  {reload,        reload_later,  NULL,         upgrade_reload_successor, NULL}},
    {SIGTERM, {stop_by_term,  stop_by_term,  stop_by_term, stop_by_term,             NULL}},
    {SIGINT,  {stop_by_int,   stop_by_int,   stop_by_int,  stop_by_int,              NULL}},
    {SIGQUIT, {drain_by_quit, drain_by_quit, NULL,         NULL,                     NULL}},
    {SIGUSR1, {reopen_logs,   reopen_logs,   reopen_logs,  reopen_logs,              reopen_logs}},
    {SIGUSR2, {upgrade,       NULL,          NULL,         NULL,                     NULL}},
};
/* clang-format on */

enum { REACTION_COUNT = sizeof(reactions) / sizeof(reactions[0]) };

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop;
    (void)events;
    for (size_t i = 0; i < REACTION_COUNT; i++) {
        reaction *react = reactions[i].by_phase[master.phase];

        if (reactions[i].number != watcher->signum)
            continue;
        if (react != NULL)
            react();
        break;
    }
}

/* ---- other events ---- */

static void on_child(struct ev_loop *loop, ev_child *watcher, int events)
{
    struct pool *pool = master.pools;

    (void)loop;
    (void)events;
    if (checks_reap(watcher->rpid, watcher->rstatus))
        return;
    if (status_reap(watcher->rpid, watcher->rstatus) || upgrade_reap(watcher->rpid))
        return;
    while (pool != NULL && !pool_reap(pool, watcher->rpid, watcher->rstatus))
        pool = pool->next;
    pool_list_drop_empty(&master.pools);
    leave_if_done();
}

static void on_watchdog(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    notify_alive();
    tell_counts();
}

/* All processes have the timer, and one that is broken into may let it expire all the time: the master
 * does not answer it more often than this. */
static void on_repeated_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_io_start(loop, &master.repeated);
}

static void on_repeated(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    log_repeat_tell();
    ev_io_stop(loop, watcher);
    ev_timer_init(&master.repeated_pause, on_repeated_pause, REPEATED_PAUSE_S, 0.0);
    ev_timer_start(loop, &master.repeated_pause);
}

static void watch_repeated(void)
{
    int fd = log_repeat_open();

    if (fd == -1)
        return;
    ev_io_init(&master.repeated, on_repeated, fd, EV_READ);
    ev_io_start(EV_DEFAULT, &master.repeated);
}

static void watch(void)
{
    double watchdog_s = notify_watchdog_s();

    watch_repeated();

    for (size_t i = 0; i < REACTION_COUNT; i++) {
        ev_signal_init(&master.signals[i], on_signal, reactions[i].number);
        ev_signal_start(EV_DEFAULT, &master.signals[i]);
    }
    ev_child_init(&master.children, on_child, 0, 0);
    ev_child_start(EV_DEFAULT, &master.children);
    if (watchdog_s > 0) {
        ev_timer_init(&master.watchdog, on_watchdog, watchdog_s, watchdog_s);
        ev_timer_start(EV_DEFAULT, &master.watchdog);
    }
}

/* ---- the start ---- */

static void announce_start(const struct generation *generation)
{
    const struct conf *conf = &generation->conf;
    char names[LOG_VALUE_BYTES + 1] = "";
    size_t length = 0;
    struct log_line line;
    struct error text;

    for (size_t i = 0; i < conf->count && length < sizeof(names); i++)
        length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
                                   i == 0 ? "" : ",", conf->instances[i].section.name);
    error_set(&text, "generation %u, %zu instance%s", generation->number, conf->count,
              number_plural(conf->count));
    log_begin(&line, EVENT_STARTED);
    log_add(&line, "instances", names);
    log_add(&line, "version", PACKAGE_VERSION);
    log_add_text(&line, "text", text.text);
    log_end(&line);
}

/* Takes over the caller's share of the generation, if it returns EX_OK. Otherwise it returns
 * another exit code. */
static int start(struct generation *generation)
{
    struct error error;
    struct pool *pools;

    master.is_at_terminal = !master.options->is_daemon && isatty(STDERR_FILENO);
    if (open_log(&generation->conf, &error) == -1) {
        successor_complain(error.text);
        return EX_OSERR;
    }
    pools = prepare(generation, &error);
    if (pools == NULL) {
        successor_complain(error.text);
        log_message(EVENT_CONFIGURATION, "%s", error.text);
        return EX_OSERR;
    }
    listener_close_spare();
    put_in_force(generation, pools);
    return EX_OK;
}

static void tell_ready(void)
{
    master.is_ready = true;
    announce_start(master.generation);
    if (inherit_is_successor())
        pidfile_commit();
    daemon_ready();
    upgrade_ready(leave_if_done);
}

static void fail_to_start(const struct pool *pool)
{
    struct error error;

    error_set(&error, "instance %s: no worker could start; the log says why",
              pool->instance->section.name);
    successor_complain(error.text);
    master.exit_code = EX_OSERR;
    stop("no worker could start");
}

/* The server is ready when each pool has had a worker that can take a connection. A successor whose
 * workers cannot live must not replace a binary whose workers do. And systemd accepts a new main
 * process only when that is its own child, so a successor waits until it is an orphan. */
static void on_ready_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct pool *pool = master.is_ready ? NULL : pool_list_unready(master.pools);
    bool is_late = clock_now_ms() >= master.ready_deadline_ms;

    (void)events;
    if (pool != NULL && is_late)
        fail_to_start(pool);
    if (pool != NULL)
        return;
    if (!master.is_ready)
        tell_ready();
    if (!successor_is_released() && !is_late)
        return;
    ev_timer_stop(loop, timer);
    notify_ready();
    tell_counts();
}

static int run(struct generation *generation)
{
    int code = start(generation);

    if (code != EX_OK) {
        generation_release(generation);
        return code;
    }
    master.ready_deadline_ms = clock_after_ms(READY_LIMIT_MS);
    ev_timer_init(&master.ready, on_ready_tick, READY_TICK_S, READY_TICK_S);
    ev_timer_start(EV_DEFAULT, &master.ready);
    ev_run(EV_DEFAULT, 0);
    pidfile_remove();
    generation_release(master.generation);
    log_repeat_tell();
    log_message(EVENT_STOPPED, "all sessions have ended");
    return master.exit_code;
}

int master_run(const struct options *options, char *const argv[])
{
    struct generation *generation;
    struct error error;

    master.options = options;
    descriptors_raise_limit(); /* there may be many instances */
    successor_remember(argv);
    generation = generation_load(options, complain_text, NULL);
    if (generation == NULL)
        return EX_CONFIG;
    successor_take_stderr();
    listener_inherit();
    tickets_inherit();
    log_privacy_inherit();
    group_memory_inherit();
    if (options->is_daemon && !inherit_is_successor() && daemon_detach(&error) == -1) {
        successor_complain(error.text);
        generation_release(generation);
        return EX_OSERR;
    }
    (void)prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (ev_default_loop(EVFLAG_AUTO) == NULL) {
        complain("libev cannot be set up");
        generation_release(generation);
        return EX_OSERR;
    }
    watch();
    return run(generation);
}
