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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "helper/acp.h"
#include "helper/client_log.h"
#include "helper/job.h"
#include "helper/message.h"
#include "helper/resolver.h"
#include "helper/route_job.h"

struct helper_process {
    const struct conf_instance *conf;
    struct ev_loop *loop;
    ev_io requests;
    ev_async relief;
    ev_prepare idle;
    ev_timer nudge;
    bool has_askers;  /* a process still has the other end open */
    bool is_relieved; /* another helper takes the requests now */
};

static struct helper_process own;

static void serve_resolve(struct message *request, int answer_fd)
{
    const char *session = message_get(request);
    const char *host = message_get(request);

    if (message_is_done(request))
        resolver_ask(session, host, answer_fd);
    else
        close(answer_fd);
}

static void serve_record(const struct conf_values *values, struct message *request, int answer_fd)
{
    const char *session = message_get(request);
    const char *client = message_get(request);
    const char *line = message_get(request);
    bool is_done = message_is_done(request) && values->client_log != NULL &&
                   client_log_write(values->client_log, session, client, line) == 0;

    job_finish(answer_fd, is_done ? MESSAGE_RESULT_DONE : MESSAGE_RESULT_FAILED);
}

static void serve(struct helper_process *helper, char *data, size_t length, int answer_fd)
{
    const struct conf_values *values = helper->conf->values;
    struct acp_setting setting = {.program = values->acp, .prefix = values->acp_prefix};
    struct message request;
    int kind = message_open(&request, data, length);

    if (kind == MESSAGE_RESOLVE)
        serve_resolve(&request, answer_fd);
    else if (kind == MESSAGE_ACCESS && setting.program != NULL)
        acp_run(helper->loop, &setting, &request, answer_fd);
    else if (kind == MESSAGE_ROUTE)
        route_job_run(&request, answer_fd);
    else if (kind == MESSAGE_RECORD_CLIENT)
        serve_record(values, &request, answer_fd);
    else
        close(answer_fd);
}

static void on_request(struct ev_loop *loop, ev_io *watcher, int events)
{
    static char data[MESSAGE_BYTES];
    struct helper_process *helper = watcher->data;
    size_t length = 0;
    int answer_fd = -1;
    enum io_status status =
        message_receive(watcher->fd, data, sizeof(data), CLOCK_PASSED, &length, &answer_fd);

    if (status == IO_OK && answer_fd != -1)
        serve(helper, data, length, answer_fd);
    explicit_bzero(data, length); /* a password may have been in it */
    ev_timer_start(loop, &helper->nudge);
    /* EV_ERROR: libev cannot watch it any more, so this helper ends and the master starts another.
     */
    if (status == IO_EOF || status == IO_FAILED || (events & EV_ERROR) != 0) {
        helper->has_askers = false;
        ev_io_stop(loop, watcher);
    }
}

/* This helper is to end, but finishes its work first. */
static void on_relief(struct ev_loop *loop, ev_async *watcher, int events)
{
    struct helper_process *helper = watcher->data;

    (void)events;
    helper->is_relieved = true;
    ev_io_stop(loop, &helper->requests);
}

/* ev_signal cannot be used: libev's state for signals belongs to the master's loop, which the fork
 * has copied. */
static void on_signal(int number)
{
    (void)number;
    ev_async_send(own.loop, &own.relief);
}

/* libev reports a descriptor that it cannot watch only after its next sleep. This timer makes that
 * sleep a short one wherever new descriptors were added. */
static void on_nudge(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
}

/* Runs before each sleep, and ends the loop once no process can ask and no program runs. A lookup
 * that is still under way has no session that waits for it, except where another helper takes the
 * requests. */
static void on_idle(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    const struct helper_process *helper = watcher->data;

    (void)events;
    if (!helper->has_askers && acp_running() == 0)
        ev_break(loop, EVBREAK_ALL);
    if (helper->is_relieved && acp_running() == 0 && resolver_running() == 0 &&
        route_job_running() == 0)
        ev_break(loop, EVBREAK_ALL);
}

void helper_process_run(const struct conf_instance *conf, int request_fd)
{
    static const int own_signals[] = {HELPER_SIGNAL_RELIEF};
    sigset_t none;

    /* The helper ends when the last process that may ask has ended. */
    child_reset_signals(own_signals, sizeof(own_signals) / sizeof(own_signals[0]));
    prctl(PR_SET_DUMPABLE, 0); /* passwords pass through here */
    /* Standard descriptors may be the client's connection; the helper must not hold it open. */
    child_drop_descriptors(&request_fd, 1);
    descriptors_restore_limit();

    /* Never the default loop: that one may be the master's, inherited by the fork. */
    own =
        (struct helper_process){.conf = conf, .loop = ev_loop_new(EVFLAG_AUTO), .has_askers = true};
    if (own.loop == NULL || resolver_init(own.loop) == -1 ||
        route_job_init(own.loop, conf) == -1) {
        log_message(EVENT_HELPER_FAILED, "the helper cannot start");
        return;
    }
    ev_io_init(&own.requests, on_request, request_fd, EV_READ);
    ev_prepare_init(&own.idle, on_idle);
    ev_timer_init(&own.nudge, on_nudge, 0.0, 0.0);
    ev_async_init(&own.relief, on_relief);
    own.requests.data = own.relief.data = own.idle.data = &own;
    ev_io_start(own.loop, &own.requests);
    ev_prepare_start(own.loop, &own.idle);
    ev_async_start(own.loop, &own.relief);
    signal(HELPER_SIGNAL_RELIEF, on_signal);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    ev_timer_start(own.loop, &own.nudge);
    ev_run(own.loop, 0);
    resolver_end();
    route_job_end();
}
