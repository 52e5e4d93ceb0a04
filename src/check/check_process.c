/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each server is a task that checks it, sleeps, and checks it again. Where the machine cannot run
 * tasks side by side, the servers are checked one after another.
 *
 * Names are looked up by a helper of this process. When one of the two ends, so does the other. The
 * master then starts both again, and nothing is noted meanwhile: a server is not down because nobody
 * can resolve its name.
 */
#include "check/check_process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "check/check_server.h"
#include "config/conf_group.h"
#include "config/conf_sandbox.h"
#include "helper/helper_process.h"
#include "io/scheduler.h"
#include "tls/tls.h"

enum {
    NAMES_AT_ONCE = 1024,
    DESCRIPTORS = 4096,
    JITTER_PERCENT = 10,
};

/* A server of a group. */
struct subject {
    struct task task;
    const struct conf_group *group;
    const struct route_server *server;
    uint64_t number;
};

static struct {
    const struct conf *conf;
    struct helper helper;
    unsigned random; /* the state of rand_r() */
    bool is_over;
} own;

/* ---- what is to be checked ---- */

static bool is_checked(const struct conf_group *group)
{
    return group->section.values.group_check != CONF_GROUP_CHECK_NO;
}

bool check_is_needed(const struct conf *conf)
{
    for (size_t i = 0; conf->groups != NULL && i < conf->groups->count; i++)
        if (is_checked(&conf->groups->list[i]) && conf->groups->list[i].route.count > 0)
            return true;
    return false;
}

/* Whether a server has a name that somebody has to look up. */
static bool has_names(const struct conf *conf)
{
    struct address literal;

    for (size_t i = 0; i < conf->groups->count; i++) {
        const struct route_group *group = &conf->groups->list[i].route;

        for (size_t j = 0; j < group->count; j++)
            if (address_from_literal(&literal, group->servers[j].name.host, 0) == -1)
                return true;
    }
    return false;
}

/* ---- one check ---- */

/* With each of the settings that instances reach the group with: the first failure counts. */
static enum server_failure check_with_all(const struct subject *subject)
{
    const struct conf_values *values = &subject->group->section.values;
    const struct conf_instance *user;
    enum server_failure failure = SERVER_FAILURE_COUNT;
    bool is_helper_lost = false;
    size_t at = 0;

    while (failure == SERVER_FAILURE_COUNT && !own.is_over &&
           (user = conf_group_next_user(own.conf, subject->group, &at)) != NULL) {
        const struct check check = {.instance = user,
                                    .server = subject->server,
                                    .level = values->group_check,
                                    .helper = &own.helper,
                                    .number = subject->number};

        failure = check_server(&check, clock_after_ms(values->group_check_timeout * 1000),
                               &is_helper_lost);
        own.is_over |= is_helper_lost;
    }
    return failure;
}

static void check_once(const struct subject *subject)
{
    const struct conf_values *values = &subject->group->section.values;
    int64_t begun_us = clock_now_us();
    enum server_failure failure = check_with_all(subject);
    enum server_change change;

    if (own.is_over)
        return;
    change = server_state_check(subject->server->state, failure, clock_now_us() - begun_us,
                                values->group_fall, values->group_rise, clock_now_ms());
    route_group_log(&subject->group->route, subject->server, change,
                    failure == SERVER_FAILURE_COUNT ? "" : server_failure_word(failure));
}

/* ---- the time between ---- */

static int64_t random_below(int64_t limit)
{
    return limit <= 0 ? 0 : rand_r(&own.random) % limit;
}

static int64_t interval_ms(const struct subject *subject)
{
    return subject->group->section.values.group_check_interval * 1000;
}

/* The interval, a tenth more or less, so that gateways that were started together do not check
 * together for ever. */
static int64_t pause_ms(const struct subject *subject)
{
    int64_t spread_ms = interval_ms(subject) * JITTER_PERCENT / 100;

    return interval_ms(subject) - spread_ms + random_below(2 * spread_ms + 1);
}

static void sleep_ms(int64_t duration_ms)
{
    (void)wait_for(NULL, 0, clock_after_ms(duration_ms));
}

/* ---- side by side ---- */

/* The first checks are spread over an interval. */
static void run_task(struct task *task)
{
    const struct subject *subject = (struct subject *)task;

    sleep_ms(random_below(interval_ms(subject)));
    while (!own.is_over) {
        check_once(subject);
        sleep_ms(pause_ms(subject));
    }
}

static bool is_over(void)
{
    return own.is_over || scheduler_tasks() == 0;
}

/* Calls `use` for each server that is to be checked, until it returns false. */
static bool for_each_server(bool (*use)(const struct subject *subject))
{
    uint64_t number = 0;

    for (size_t i = 0; i < own.conf->groups->count; i++) {
        const struct conf_group *group = &own.conf->groups->list[i];

        for (size_t j = 0; is_checked(group) && j < group->route.count; j++) {
            const struct subject subject = {
                .group = group, .server = &group->route.servers[j], .number = number + 1};

            number++;
            if (!use(&subject))
                return false;
        }
    }
    return true;
}

static bool begin_task(const struct subject *subject)
{
    struct subject *begun = task_new(sizeof(*begun), run_task);

    if (begun == NULL)
        return false;
    begun->group = subject->group;
    begun->server = subject->server;
    begun->number = subject->number;
    return true;
}

/* ---- one after another ---- */

static bool check_in_turn(const struct subject *subject)
{
    check_once(subject);
    return !own.is_over;
}

static int64_t shortest_interval_ms(void)
{
    int64_t shortest_s = 3600;

    for (size_t i = 0; i < own.conf->groups->count; i++) {
        const struct conf_group *group = &own.conf->groups->list[i];

        if (is_checked(group) && group->section.values.group_check_interval < shortest_s)
            shortest_s = group->section.values.group_check_interval;
    }
    return shortest_s * 1000;
}

static int run(void)
{
    if (!coroutine_is_supported()) {
        while (for_each_server(check_in_turn))
            sleep_ms(shortest_interval_ms());
        return EX_TEMPFAIL;
    }
    if (scheduler_open(DESCRIPTORS) == -1 || !for_each_server(begin_task))
        return EX_OSERR;
    scheduler_run(is_over);
    return EX_TEMPFAIL;
}

/* ---- the process ---- */

/* A helper that has no table, no program and no directory: it only looks names up. */
static int start_helper(void)
{
    static struct conf_values values = {.sessions_per_worker = NAMES_AT_ONCE};
    static struct conf_instance instance = {.values = &values};
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return -1;
    pid = child_fork();
    if (pid == 0) {
        helper_process_run(&instance, NULL, pair[1], -1, own.conf->uid, own.conf->gid);
        _exit(EX_OK);
    }
    close(pair[1]);
    if (pid == -1) {
        close(pair[0]);
        return -1;
    }
    helper_init_shared(&own.helper, &instance, pair[0], NULL, NULL);
    return 0;
}

/* The contexts towards servers, which the checks need; no other has a key here. */
static void keep_only_server_keys(const struct conf *conf)
{
    struct tls_context **kept = calloc(2 * conf->count + 1, sizeof(struct tls_context *));
    size_t count = 0;

    for (size_t i = 0; kept != NULL && i < conf->count; i++) {
        kept[count++] = conf->instances[i].server_tls;
        kept[count++] = conf->instances[i].server_tls_any;
    }
    tls_keep_only(kept, count);
    free(kept);
}

static int confine(const struct conf *conf)
{
    const int none[] = {-1};
    struct error error;

    keep_only_server_keys(conf);
    child_drop_descriptors(none, 1);
    if (child_drop_rights(NULL, conf->uid, conf->gid, &error) == 0)
        return 0;
    log_message(EVENT_PRIVILEGES, "%s", error.text);
    return -1;
}

static int enter_sandbox(const struct conf *conf)
{
    struct sandbox_view view;
    struct error error;

    conf_sandbox_check(conf, &view);
    if (sandbox_enter(SANDBOX_CHECK, &view, &error) == 0)
        return 0;
    log_message_at(LOG_LEVEL_ALERT, EVENT_SANDBOX, "%s", error.text);
    return -1;
}

int check_process_run(const struct conf *conf, pid_t master_pid)
{
    static const int own_signals[] = {SIGTERM};
    sigset_t none;

    child_reset_signals(own_signals, sizeof(own_signals) / sizeof(own_signals[0]));
    own.conf = conf;
    own.random = (unsigned)clock_now_us() ^ (unsigned)getpid();
    if (confine(conf) == -1)
        return EX_OSERR;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master_pid)
        return EX_OK;
    if (has_names(conf) && start_helper() == -1) {
        log_message(EVENT_CHECKS, "the process cannot start: %s", strerror(errno));
        return EX_OSERR;
    }
    if (enter_sandbox(conf) == -1)
        return EX_OSERR;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return run();
}
