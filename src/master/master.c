/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's loop: signals in, processes out. A reload builds everything new first and commits
 * only when all of it is there; until then, and when anything is wrong, the old goes on.
 */
#include "master/master.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/inherit.h"
#include "base/log.h"
#include "config/conf_build.h"
#include "config/conf_ini.h"
#include "config/conf_warn.h"
#include "master/daemon.h"
#include "master/handover.h"
#include "master/notify.h"
#include "master/tickets.h"
#include "master/upgrade.h"
#include "pool/listener.h"
#include "pool/pool.h"
#include "status/status.h"
#include "tls/tls.h"

#define READY_LOOK_S 0.002
enum { READY_LIMIT_MS = 10000 };

enum phase {
    PHASE_RUNNING,
    PHASE_DRAINING, /* sessions may finish */
    PHASE_STOPPING, /* sessions are told to end */
};

static struct {
    const struct options *options;
    enum phase phase;
    struct pool *pools; /* those that end among them */
    struct generation *generation;
    unsigned generations;
    bool is_replaced;    /* by a new binary, which speaks for the service from then on */
    bool is_at_terminal; /* started by hand: without a log key the log goes there */
    bool is_reload_due;  /* HUP came while a new binary was starting */
    ev_signal signals[6];
    ev_child children;
    ev_timer grace;
    ev_timer watchdog;
    ev_timer tls_due; /* new ticket keys, and a look at the certificates */
    ev_timer ready;
    int64_t ready_deadline_ms;
    int exit_code;
} master;

/* ---- configuration ---- */

static void report_to_stderr(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "pop3.proxy: %s\n", text);
}

static void report_to_log(void *context, const char *text)
{
    const enum log_level *level = context;

    log_message_at(*level, EVENT_CONFIGURATION, "%s", text);
}

/* Settings given as options are checked once more: a file one of them names may have changed. */
static int load_options(struct conf *conf, conf_report *report, void *context)
{
    const struct options *options = master.options;
    struct conf_section copy;

    conf_section_init(&copy, options->section.name, options->section.section_origin);
    conf_override(&copy, &options->section);
    return conf_from_section(conf, &copy, options->listens, options->listen_count, report,
                             context);
}

static struct generation *load(conf_report *report, void *context)
{
    const struct options *options = master.options;
    struct generation *generation = calloc(1, sizeof(*generation));
    int result;

    if (generation == NULL) {
        report(context, "out of memory");
        return NULL;
    }
    if (options->config_file != NULL)
        result = conf_load(&generation->conf, options->config_file, &options->section, report,
                           context);
    else
        result = load_options(&generation->conf, report, context);
    if (result == -1) {
        free(generation);
        return NULL;
    }
    generation->number = ++master.generations;
    return generation;
}

/* ---- TLS ---- */

static void log_expiry(void *unused, const char *path, int64_t days)
{
    struct log_line line;

    (void)unused;
    log_begin(&line, EVENT_CERTIFICATE_EXPIRES);
    log_add(&line, "file", path);
    log_add_number(&line, "days", days);
    log_end(&line);
}

static void warn_of_expiry(const struct conf_instance *instance)
{
    tls_context_report_expiry(instance->client_tls, clock_wall_s(), log_expiry, NULL);
    tls_context_report_expiry(instance->server_tls, clock_wall_s(), log_expiry, NULL);
}

static void on_tls_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    tickets_rotate();
    for (const struct pool *pool = master.pools; pool != NULL; pool = pool->next)
        if (pool->state == POOL_RUNNING)
            warn_of_expiry(pool->instance);
}

/* What is regularly due is only where there is TLS. */
static void watch_tls(void)
{
    if (ev_is_active(&master.tls_due))
        return;
    ev_timer_init(&master.tls_due, on_tls_due, TLS_TICKET_ROTATION_S, TLS_TICKET_ROTATION_S);
    ev_timer_start(EV_DEFAULT, &master.tls_due);
}

/* Every worker of every pool issues and takes the same tickets. */
static void prepare_tls(const struct pool *pools)
{
    for (; pools != NULL; pools = pools->next) {
        const struct conf_instance *instance = pools->instance;

        if (instance->client_tls == NULL && instance->server_tls == NULL)
            continue;
        watch_tls();
        if (instance->client_tls != NULL) {
            tls_context_use_tickets(instance->client_tls, tickets_keys());
            tls_context_warm_up(instance->client_tls);
        }
        warn_of_expiry(instance);
    }
}

/* ---- pools ---- */

static void free_pools(struct pool *pools)
{
    while (pools != NULL) {
        struct pool *next = pools->next;
        pool_free(pools);
        pools = next;
    }
}

/* A pool for each instance, all or none. The generation is held until they hold it. */
static struct pool *make_pools(struct generation *generation, struct error *error)
{
    struct pool *pools = NULL;

    for (size_t i = 0; i < generation->conf.count; i++) {
        struct pool *pool = pool_new(generation, &generation->conf.instances[i], error);
        if (pool == NULL) {
            free_pools(pools);
            return NULL;
        }
        pool->next = pools;
        pools = pool;
    }
    return pools;
}

static void start_pools(struct pool *pools)
{
    struct pool **end = &pools;

    prepare_tls(pools);
    for (struct pool *pool = pools; pool != NULL; pool = pool->next)
        pool_start(pool);
    while (*end != NULL)
        end = &(*end)->next;
    *end = master.pools;
    master.pools = pools;
}

static void for_each_pool(void (*act)(struct pool *pool))
{
    for (struct pool *pool = master.pools; pool != NULL; pool = pool->next)
        act(pool);
}

/* Those whose last process is gone. */
static void drop_empty_pools(void)
{
    struct pool **link = &master.pools;

    while (*link != NULL) {
        struct pool *pool = *link;
        if (pool->state == POOL_RUNNING || !pool_is_empty(pool)) {
            link = &pool->next;
            continue;
        }
        *link = pool->next;
        pool_free(pool);
    }
}

static void tell_counts(void)
{
    size_t busy = 0;
    size_t idle = 0;

    for (const struct pool *pool = master.pools; pool != NULL; pool = pool->next) {
        busy += pool_count_state(pool, SCOREBOARD_BUSY);
        idle += pool_count_state(pool, SCOREBOARD_IDLE) +
                pool_count_state(pool, SCOREBOARD_RESTING);
    }
    notify_status(busy, idle);
}

/* ---- the end ---- */

/* What supervises us takes our end for the end of all sessions, and a stop reaches the process
 * before us through us only. */
static void leave_if_done(void)
{
    if (master.phase == PHASE_RUNNING || master.pools != NULL || upgrade_has_predecessor())
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
    for_each_pool(pool_kill);
    upgrade_forget_predecessor();
    leave_if_done();
}

static void stop(const char *why)
{
    double grace_s = (double)master.generation->conf.proxy.values.grace;

    if (master.phase == PHASE_STOPPING)
        return;
    master.phase = PHASE_STOPPING;
    handover_cancel();
    ev_timer_stop(EV_DEFAULT, &master.ready); /* whoever was not ready never will be */
    upgrade_cancel();
    upgrade_stop_predecessor();
    log_message(EVENT_MASTER_STOPPING, "%s: sessions are ended", why);
    if (!master.is_replaced)
        notify_stopping();
    for_each_pool(pool_stop);
    ev_timer_init(&master.grace, on_grace_over, grace_s, 0.0);
    ev_timer_start(EV_DEFAULT, &master.grace);
    drop_empty_pools();
    leave_if_done();
}

static void drain(const char *why)
{
    if (master.phase != PHASE_RUNNING)
        return;
    master.phase = PHASE_DRAINING;
    handover_cancel();
    ev_timer_stop(EV_DEFAULT, &master.ready);
    log_message(EVENT_MASTER_DRAINING, "%s: no new sessions; those that run may end",
                why);
    if (master.is_replaced) {
        ev_timer_stop(EV_DEFAULT, &master.watchdog);
    } else {
        upgrade_cancel();
        notify_stopping();
    }
    for_each_pool(pool_retire);
    status_refresh();
    drop_empty_pools();
    leave_if_done();
}

/* ---- reload ---- */

/* Someone who starts it at a terminal wants to see the log there. */
static int open_log(const struct conf *conf, struct error *error)
{
    const struct conf_section *proxy = &conf->proxy;
    bool is_by_hand = proxy->origin[CONF_KEY_log] == NULL && master.is_at_terminal;

    return log_open(is_by_hand ? "stderr" : proxy->values.log, error);
}

/* Takes back what prepare() has done. */
static void abandon(struct pool *pools)
{
    free_pools(pools);
    status_forget();
    pidfile_forget();
}

/* What may fail. Nothing of what runs changes. The pidfile first: that a server runs already says
 * more than that its address is taken. */
static struct pool *prepare(struct generation *generation, struct error *error)
{
    struct pool *pools;

    if (pidfile_prepare(generation->conf.proxy.values.pidfile, error) == -1)
        return NULL;
    pools = make_pools(generation, error);
    if (pools != NULL && status_prepare(&generation->conf, error) == 0)
        return pools;
    abandon(pools);
    return NULL;
}

static void on_handed_over(size_t left)
{
    const struct generation *generation = master.generation;

    if (left == 0)
        log_message(EVENT_RELOADED, "generation %u, %zu instances",
                    generation->number, generation->conf.count);
    else
        log_message_at(LOG_LEVEL_WARNING, EVENT_RELOADED,
                    "generation %u, %zu instances; after %d s %zu old workers have not reacted and "
                    "may each take one more connection under the old settings",
                    generation->number, generation->conf.count, (int)HANDOVER_LIMIT_S, left);
    notify_ready();
    tell_counts();
}

static void fail_reload(const char *why)
{
    log_message(EVENT_RELOAD_FAILED, "%s; the old settings stay in force", why);
    if (!handover_is_pending())
        notify_ready();
}

static void reload(void)
{
    enum log_level level = LOG_LEVEL_ERROR;
    struct generation *generation;
    struct pool *pools;
    struct error error;

    notify_reloading();
    generation = load(report_to_log, &level);
    if (generation == NULL) {
        fail_reload("the file cannot be used");
        return;
    }
    generation->users++; /* the master's own */
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
    pidfile_commit();
    struct pool *old = master.pools;
    start_pools(pools);
    for (; old != NULL; old = old->next)
        pool_retire(old);
    generation_release(master.generation);
    master.generation = generation;
    drop_empty_pools();
    status_restart(&master.pools, &generation->conf);
    level = LOG_LEVEL_WARNING;
    conf_warn(&generation->conf, false, report_to_log, &level);
    listener_announce_new();
    handover_begin(&master.pools, on_handed_over);
}

static void reopen_logs(void)
{
    struct error error;

    if (log_reopen(&error) == -1) {
        log_message(EVENT_CONFIGURATION, "%s", error.text);
        return;
    }
    for_each_pool(pool_refresh);
    status_refresh();
    log_message(EVENT_LOG_REOPENED, "generation %u", master.generation->number);
}

/* ---- upgrade ---- */

static void on_upgrade(enum upgrade_event event)
{
    switch (event) {
    case UPGRADE_READY:
        pidfile_hand_on();
        status_stop(); /* its paths are the new one's now */
        master.is_replaced = true;
        if (master.is_reload_due)
            upgrade_reload_successor();
        drain("upgrade: the new binary has taken over");
        break;
    case UPGRADE_FAILED:
        log_message(EVENT_UPGRADE_FAILED,
                    "the new binary did not come up; this one goes on");
        if (master.is_reload_due)
            reload();
        break;
    case UPGRADE_STOP:
        stop("upgrade: the new binary is being stopped");
        break;
    }
}

static void pass_on(void)
{
    listener_pass();
    pidfile_pass();
    tickets_pass();
    status_pass();
}

static void upgrade(void)
{
    if (upgrade_has_successor() || master.phase != PHASE_RUNNING)
        return;
    master.is_reload_due = false;
    log_message(EVENT_UPGRADE, "starting the new binary");
    upgrade_start(EV_DEFAULT, pass_on, on_upgrade);
}

/* ---- events ---- */

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop;
    (void)events;
    switch (watcher->signum) {
    case SIGHUP:
        /* A new binary on its way has read the file and the sockets as they were. */
        if (master.is_replaced)
            upgrade_reload_successor();
        else if (upgrade_has_successor())
            master.is_reload_due = true;
        else if (master.phase == PHASE_RUNNING)
            reload();
        break;
    case SIGTERM:
    case SIGINT:
        stop(watcher->signum == SIGINT ? "INT" : "TERM");
        break;
    case SIGQUIT:
        drain("QUIT");
        break;
    case SIGUSR1:
        reopen_logs();
        break;
    case SIGUSR2:
        upgrade();
        break;
    }
}

static void on_child(struct ev_loop *loop, ev_child *watcher, int events)
{
    struct pool *pool = master.pools;

    (void)loop;
    (void)events;
    if (status_reap(watcher->rpid))
        return;
    while (pool != NULL && !pool_reap(pool, watcher->rpid, watcher->rstatus))
        pool = pool->next;
    drop_empty_pools();
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

static void watch(void)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    double watchdog_s = notify_watchdog_s();

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        ev_signal_init(&master.signals[i], on_signal, numbers[i]);
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

/* The first configuration is in force: sockets are bound, workers forked. */
static int begin(struct generation *generation)
{
    enum log_level level = LOG_LEVEL_WARNING;
    struct error error;
    struct pool *pools;

    master.is_at_terminal = !master.options->is_daemon && isatty(STDERR_FILENO);
    if (open_log(&generation->conf, &error) == -1) {
        fprintf(stderr, "pop3.proxy: %s\n", error.text);
        return EX_OSERR;
    }
    pools = prepare(generation, &error);
    if (pools == NULL) {
        fprintf(stderr, "pop3.proxy: %s\n", error.text);
        log_message(EVENT_CONFIGURATION, "%s", error.text);
        return EX_OSERR;
    }
    listener_close_spare();
    if (!inherit_is_successor())
        pidfile_commit();
    start_pools(pools);
    status_restart(&master.pools, &generation->conf);
    conf_warn(&generation->conf, false, report_to_log, &level);
    listener_announce_new();
    log_message(EVENT_STARTED, "generation %u, %zu instances", generation->number,
                generation->conf.count);
    return EX_OK;
}

static bool has_worker(const struct pool *pool)
{
    return pool->state != POOL_RUNNING || atomic_load(&pool->scoreboard->idle) > 0 ||
           atomic_load(&pool->scoreboard->accepted) > 0;
}

/* Ready is a server in which every pool has had a worker that can take a connection: a successor
 * whose workers cannot live must not take the place of one whose workers do. */
static void on_ready_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct pool *pool = master.pools;

    (void)events;
    while (pool != NULL && has_worker(pool))
        pool = pool->next;
    if (pool == NULL) {
        ev_timer_stop(loop, timer);
        if (inherit_is_successor())
            pidfile_commit();
        daemon_ready();
        upgrade_ready(leave_if_done);
        notify_ready();
        tell_counts();
    } else if (clock_now_ms() >= master.ready_deadline_ms) {
        ev_timer_stop(loop, timer);
        fprintf(stderr, "pop3.proxy: instance %s: no worker comes up; the log says why\n",
                pool->instance->section.name);
        master.exit_code = EX_OSERR;
        stop("no worker comes up");
    }
}

static int loop_until_told(void)
{
    int code = begin(master.generation);

    if (code != EX_OK)
        return code;
    master.ready_deadline_ms = clock_after_ms(READY_LIMIT_MS);
    ev_timer_init(&master.ready, on_ready_look, READY_LOOK_S, READY_LOOK_S);
    ev_timer_start(EV_DEFAULT, &master.ready);
    ev_run(EV_DEFAULT, 0);
    pidfile_remove();
    generation_release(master.generation);
    log_message(EVENT_STOPPED, "all sessions have ended");
    return master.exit_code;
}

int master_run(const struct options *options, char *const argv[])
{
    struct error error;

    master.options = options;
    descriptors_raise_limit(); /* there may be many instances */
    upgrade_remember(argv);
    master.generation = load(report_to_stderr, NULL);
    if (master.generation == NULL)
        return EX_CONFIG;
    master.generation->users++;
    listener_inherit();
    tickets_inherit();
    if (options->is_daemon && !inherit_is_successor() && daemon_detach(&error) == -1) {
        fprintf(stderr, "pop3.proxy: %s\n", error.text);
        return EX_OSERR;
    }
    (void)prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (ev_default_loop(EVFLAG_AUTO) == NULL) {
        fprintf(stderr, "pop3.proxy: libev cannot be set up\n");
        return EX_OSERR;
    }
    watch();
    return loop_until_told();
}
