/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper's loop: takes requests, hands each to its module. Everything here is asynchronous but
 * the client log's one small file.
 */
#include "helper/helper_process.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "helper/acp.h"
#include "helper/client_log.h"
#include "helper/job.h"
#include "helper/message.h"
#include "helper/resolver.h"

struct helper_process {
    const struct conf_instance *conf;
    struct ev_loop *loop;
    ev_io requests;
    ev_prepare idle;
    bool has_askers; /* somebody still holds the other end */
};

enum io_status job_answer(int answer_fd, enum message_kind kind, const void *data, size_t length)
{
    char first = (char)kind;
    struct iovec pieces[2] = {{.iov_base = &first, .iov_len = 1},
                              {.iov_base = (void *)(uintptr_t)data, .iov_len = length}};
    struct msghdr header = {.msg_iov = pieces, .msg_iovlen = 2};

    if (sendmsg(answer_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) != -1)
        return IO_OK;
    return errno == EAGAIN || errno == ENOBUFS ? IO_AGAIN : IO_FAILED;
}

void job_finish(int answer_fd, enum message_result result)
{
    char octet = (char)result;

    /* If even this does not fit, the close tells the asking side that nothing will come. */
    (void)job_answer(answer_fd, MESSAGE_RESULT, &octet, 1);
    close(answer_fd);
}

static void serve_resolve(struct message *request, int answer_fd)
{
    const char *host = message_get(request);

    if (message_is_done(request))
        resolver_ask(host, answer_fd);
    else
        close(answer_fd);
}

static void serve_record(const struct conf_values *values, struct message *request, int answer_fd)
{
    const char *client = message_get(request);
    const char *line = message_get(request);
    bool is_done = message_is_done(request) && values->client_log != NULL &&
                   client_log_write(values->client_log, client, line) == 0;

    job_finish(answer_fd, is_done ? MESSAGE_RESULT_DONE : MESSAGE_RESULT_FAILED);
}

static void serve(struct helper_process *helper, char *data, size_t length, int answer_fd)
{
    const struct conf_values *values = &helper->conf->section.values;
    struct acp_setting setting = {.program = values->acp, .prefix = values->acp_prefix};
    struct message request;
    int kind = message_open(&request, data, length);

    if (kind == MESSAGE_RESOLVE)
        serve_resolve(&request, answer_fd);
    else if (kind == MESSAGE_ACCESS && setting.program != NULL)
        acp_run(helper->loop, &setting, &request, answer_fd);
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

    (void)events;
    if (status == IO_OK && answer_fd != -1)
        serve(helper, data, length, answer_fd);
    explicit_bzero(data, length); /* a password may have been in it */
    if (status == IO_EOF || status == IO_FAILED) {
        helper->has_askers = false;
        ev_io_stop(loop, watcher);
    }
}

/* Before each sleep: nobody left to ask, and no program left to see to its end? A lookup that is
 * still under way has nobody to answer to. */
static void on_idle(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    const struct helper_process *helper = watcher->data;

    (void)events;
    if (!helper->has_askers && acp_running() == 0)
        ev_break(loop, EVBREAK_ALL);
}

void helper_process_run(const struct conf_instance *conf, int request_fd)
{
    static struct helper_process helper;
    int keep[] = {log_descriptor(), request_fd};
    sigset_t none;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* ^C at the terminal is the master's business */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_DUMPABLE, 0); /* passwords pass through here */
    /* Standard descriptors may be the client's connection; the helper must not hold it open. */
    descriptors_detach_standard(log_descriptor());
    descriptors_close_all_but(keep, sizeof(keep) / sizeof(keep[0]));

    /* Never the default loop: that one may be the master's, inherited by the fork. */
    helper = (struct helper_process){
        .conf = conf, .loop = ev_loop_new(EVFLAG_AUTO), .has_askers = true};
    if (helper.loop == NULL || resolver_init(helper.loop) == -1) {
        log_message(LOG_LEVEL_ERROR, "helper-failed", "the helper cannot start");
        return;
    }
    ev_io_init(&helper.requests, on_request, request_fd, EV_READ);
    ev_prepare_init(&helper.idle, on_idle);
    helper.requests.data = helper.idle.data = &helper;
    ev_io_start(helper.loop, &helper.requests);
    ev_prepare_start(helper.loop, &helper.idle);
    ev_run(helper.loop, 0);
    resolver_end();
}
