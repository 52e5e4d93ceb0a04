/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper's event loop: takes requests and gives each to its module. Nothing blocks, except
 * writing the one small file of the client log.
 */
#include "helper/helper_process.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "base/sandbox.h"
#include "config/conf_sandbox.h"
#include "helper/acp.h"
#include "helper/acp_starter.h"
#include "helper/channel.h"
#include "helper/client_log.h"
#include "helper/job.h"
#include "helper/message.h"
#include "helper/resolver.h"
#include "helper/route_job.h"
#include "tls/tls.h"

struct helper_process {
    const struct conf_instance *conf;
    struct ev_loop *loop;
    ev_io requests; /* the first on a pair; the others come on their channels */
    ev_io pulse;
    ev_async relief;
    ev_prepare idle;
    ev_timer nudge;
    size_t jobs;      /* at the last sleep */
    bool has_askers;  /* a process still has the other end open */
    bool is_relieved; /* another helper takes the requests now */
};

static struct helper_process own;
static char received[MESSAGE_BYTES];

/* ---- requests ---- */

static bool open_origin(struct message *request, struct job_origin *origin)
{
    origin->session = message_get(request);
    origin->account = (uint64_t)message_get_number(request);
    return !request->is_bad;
}

static void log_refusal(enum event event, const struct job_origin *origin)
{
    struct log_line line;

    log_begin(&line, event);
    log_add(&line, "session", origin->session);
    log_add_text(&line, "error",
                 errno == EBUSY ? "too many requests of its address wait already"
                                : "out of memory");
    log_end(&line);
}

static void serve_resolve(struct message *request, struct job_origin *origin)
{
    bool is_good = open_origin(request, origin);
    struct message fields = *request; /* the job reads them again */
    const char *host = message_get(&fields);
    enum helper_extent extent = message_get_number(&fields) == HELPER_ALL ? HELPER_ALL : HELPER_SOON;
    struct job *job;

    if (!is_good || !message_is_done(&fields)) {
        channel_end(origin->channel);
        return;
    }
    /* What is known needs no place in a line. */
    if (resolver_answer_known(host, extent, origin->channel))
        return;
    job = job_new(JOB_LOOKUP, origin, request, resolver_start);
    if (job == NULL)
        log_refusal(EVENT_RESOLVE_FAILED, origin);
    else
        (void)resolver_join(job, host, extent);
}

static void serve_access(struct message *request, struct job_origin *origin)
{
    if (!open_origin(request, origin))
        channel_end(origin->channel);
    else if (job_new(JOB_PROGRAM, origin, request, acp_start) == NULL)
        log_refusal(EVENT_ACP_FAILED, origin);
}

static void serve_route(struct message *request, struct job_origin *origin)
{
    if (!open_origin(request, origin))
        channel_end(origin->channel);
    else if (job_new(JOB_ROUTE, origin, request, route_job_start) == NULL)
        log_refusal(EVENT_RESOLVE_FAILED, origin);
}

static void serve_record(const struct conf_values *values, struct message *request,
                         struct channel *channel)
{
    const char *session = message_get(request);
    const char *client = message_get(request);
    const char *line = message_get(request);
    bool is_done = message_is_done(request) && values->client_log != NULL &&
                   client_log_write(values->client_log, session, client, line) == 0;
    char result = is_done ? MESSAGE_RESULT_DONE : MESSAGE_RESULT_FAILED;

    (void)channel_send(channel, channel->number, MESSAGE_RESULT, &result, 1);
    channel_end(channel);
}

static void serve(const struct conf_values *values, struct message *request, int kind,
                  struct job_origin *origin)
{
    if (kind == MESSAGE_RESOLVE)
        serve_resolve(request, origin);
    else if (kind == MESSAGE_ACCESS && values->acp != NULL)
        serve_access(request, origin);
    else if (kind == MESSAGE_ROUTE)
        serve_route(request, origin);
    else if (kind == MESSAGE_RECORD_CLIENT)
        serve_record(values, request, origin->channel);
    else
        channel_end(origin->channel);
}

/* Serves what was received. */
static void serve_received(size_t length, struct channel *channel)
{
    struct job_origin origin = {.channel = channel};
    struct message request;
    int kind = message_open(&request, received, length);

    channel_begin(channel, request.number);
    serve(own.conf->values, &request, kind, &origin);
    explicit_bzero(received, length); /* a password may have been in it */
}

/* A further question on a pair. */
static void on_question(struct channel *channel)
{
    size_t length;
    enum io_status status = message_read(channel->fd, received, sizeof(received), &length);

    if (status == IO_OK)
        serve_received(length, channel);
    else if (status != IO_AGAIN)
        channel_end(channel);
}

/* The first question on a pair: one end comes with it. */
static void take_pair(struct helper_process *helper, int fd, pid_t worker, size_t length)
{
    struct channel *channel = fd == -1 ? NULL : channel_open(fd, worker);

    if (channel == NULL) {
        explicit_bzero(received, length);
        return;
    }
    ev_timer_start(helper->loop, &helper->nudge);
    serve_received(length, channel);
}

static void on_request(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct helper_process *helper = watcher->data;
    size_t length = 0;
    int fd = -1;
    pid_t worker;
    enum io_status status = message_receive(watcher->fd, received, sizeof(received), CLOCK_PASSED,
                                            &length, &fd, &worker);

    if (status == IO_OK)
        take_pair(helper, fd, worker, length);
    /* EV_ERROR: libev cannot watch it any more. This helper ends, and the master starts another. */
    if (status == IO_EOF || status == IO_FAILED || (events & EV_ERROR) != 0) {
        helper->has_askers = false;
        ev_io_stop(loop, watcher);
    }
}

/* The master wants to know whether this process still answers. */
static void on_pulse(struct ev_loop *loop, ev_io *watcher, int events)
{
    char octet;

    (void)events;
    if (recv(watcher->fd, &octet, 1, MSG_DONTWAIT) == 1)
        (void)send(watcher->fd, &octet, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (errno != EAGAIN && errno != EINTR)
        ev_io_stop(loop, watcher); /* it asks another helper now, or has ended */
}

/* ---- the end ---- */

/* This helper is to end, but finishes its work first. */
static void on_relief(struct ev_loop *loop, ev_async *watcher, int events)
{
    struct helper_process *helper = watcher->data;

    (void)events;
    (void)loop;
    helper->is_relieved = true;
    channel_keep_none();
}

/* ev_signal cannot be used: libev's state for signals belongs to the master's loop, which the fork
 * has copied. */
static void on_signal(int number)
{
    (void)number;
    ev_async_send(own.loop, &own.relief);
}

/* ---- the loop ---- */

/* libev reports a descriptor that it cannot watch only after its next sleep. This timer makes that
 * sleep a short one wherever new descriptors were added. A job that has ended at once adds none. */
static void on_nudge(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
}

static bool may_take_requests(const struct helper_process *helper)
{
    return helper->has_askers && !helper->is_relieved && !job_is_full();
}

/* Nothing is left to do. Where no process can ask any more, only programs that still run matter. */
static bool is_done(const struct helper_process *helper)
{
    if (acp_running() > 0)
        return false;
    return !helper->has_askers || (helper->is_relieved && job_count() == 0);
}

/* Runs before each sleep. */
static void on_idle(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct helper_process *helper = watcher->data;
    size_t known = helper->jobs;
    bool has_started = job_start_waiting();

    (void)events;
    helper->jobs = job_count();
    if (helper->jobs > 0 && (has_started || helper->jobs != known))
        ev_timer_start(loop, &helper->nudge);
    if (may_take_requests(helper))
        ev_io_start(loop, &helper->requests);
    else
        ev_io_stop(loop, &helper->requests);
    if (is_done(helper))
        ev_break(loop, EVBREAK_ALL);
}

static bool prepare(const struct conf_instance *conf, struct route_counts *const *counts,
                    int starter_fd)
{
    long descriptors = sysconf(_SC_OPEN_MAX);

    /* Never the default loop: that one may be the master's, inherited by the fork. */
    own =
        (struct helper_process){.conf = conf, .loop = ev_loop_new(EVFLAG_AUTO), .has_askers = true};
    if (own.loop == NULL || resolver_init(own.loop) == -1 || route_job_init(own.loop, conf, counts) == -1)
        return false;
    job_init(descriptors > 0 ? (size_t)descriptors : 0, (size_t)conf->values->sessions_per_worker);
    channel_init(own.loop, job_most(), on_question);
    acp_init(own.loop, starter_fd);
    return true;
}

static void watch(int request_fd, int pulse_fd)
{
    ev_io_init(&own.requests, on_request, request_fd, EV_READ);
    ev_io_init(&own.pulse, on_pulse, pulse_fd, EV_READ);
    ev_prepare_init(&own.idle, on_idle);
    ev_timer_init(&own.nudge, on_nudge, 0.0, 0.0);
    ev_async_init(&own.relief, on_relief);
    own.requests.data = own.relief.data = own.idle.data = &own;
    ev_io_start(own.loop, &own.requests);
    if (pulse_fd != -1)
        ev_io_start(own.loop, &own.pulse);
    ev_prepare_start(own.loop, &own.idle);
    ev_async_start(own.loop, &own.relief);
    ev_timer_start(own.loop, &own.nudge);
}

/* The starter must not inherit what this process is about to lose. Returns false where there is none,
 * and an access control program is set. */
static bool start_starter(const struct conf_values *values, uid_t uid, gid_t gid, int *starter_fd_r)
{
    const struct acp_setting setting = {.program = values->acp, .prefix = values->acp_prefix};

    *starter_fd_r = values->acp == NULL ? -1 : acp_starter_fork(&setting, uid, gid);
    return values->acp == NULL || *starter_fd_r != -1;
}

/* Says in the log what has failed, and returns false then. */
static bool drop_rights(uid_t uid, gid_t gid)
{
    struct error error;

    if (child_drop_rights(NULL, uid, gid, &error) == 0)
        return true;
    log_repeat_message(EVENT_PRIVILEGES, "%s", error.text);
    return false;
}

/* The same. The tables are open by now, and libraries are loaded. */
static bool enter_sandbox(const struct conf_instance *conf)
{
    struct sandbox_view view;
    struct error error;

    conf_sandbox_helper(conf, &view);
    if (sandbox_enter(conf_sandbox_helper_role(conf), &view, &error) == 0)
        return true;
    log_message_at(LOG_LEVEL_ALERT, EVENT_SANDBOX, "%s", error.text);
    return false;
}

void helper_process_run(const struct conf_instance *conf, struct route_counts *const *counts,
                        int request_fd, int pulse_fd, uid_t uid, gid_t gid)
{
    static const int own_signals[] = {HELPER_SIGNAL_RELIEF};
    const int kept[] = {request_fd, pulse_fd};
    int on = 1;
    int starter_fd;
    bool has_starter;
    sigset_t none;

    /* The helper ends when the last process that may ask has ended. */
    child_reset_signals(own_signals, sizeof(own_signals) / sizeof(own_signals[0]));
    tls_keep_only(NULL, 0);
    /* Standard descriptors may be the client's connection; the helper must not hold it open. */
    child_drop_descriptors(kept, sizeof(kept) / sizeof(kept[0]));
    /* The kernel then says which worker sends a request. */
    (void)setsockopt(request_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
    has_starter = start_starter(conf->values, uid, gid, &starter_fd);
    if (!drop_rights(uid, gid))
        return;
    if (!has_starter || !prepare(conf, counts, starter_fd)) {
        log_message(EVENT_HELPER_FAILED, "the helper cannot start");
        return;
    }
    watch(request_fd, pulse_fd);
    if (!enter_sandbox(conf))
        return;
    signal(HELPER_SIGNAL_RELIEF, on_signal);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    ev_run(own.loop, 0);
    resolver_end();
    route_job_end();
}
