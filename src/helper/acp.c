/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follows access control programs, which acp_starter.c starts: output, time limit, end. The program
 * is the operator's, but strangers cause it to run. So nothing that it does may stop the helper:
 * neither silence, nor endless output, nor a process that it leaves behind.
 */
#include "helper/acp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "helper/acp_starter.h"

enum {
    OUTPUT_BYTES_MAX = 64 * 1024, /* to the client, and the same again to the log */
    LOG_LINE_TEXT = 240,
    DRAIN_ROUNDS = 64, /* reads of what a program that has ended left in its pipes */
    READ_BYTES = 4096,
};

struct acp {
    struct job *job;
    struct acp_channels channels;
    ev_io ended;
    ev_timer limit;
    ev_io space; /* the asking side can take output again */
    ev_io out;
    ev_io err;
    bool is_over_limit;
    bool has_ended;
    struct acp_end end; /* all zero: the starter was lost before it said how */
    size_t out_seen;
    size_t out_start;
    size_t out_end;
    size_t err_seen;
    size_t line_length;
    char line[LOG_LINE_TEXT];
    char out_text[OUTPUT_BYTES_MAX];
};

static struct {
    struct ev_loop *loop;
    ev_io starter; /* it says nothing; it is watched for its end */
    unsigned running;
} state;

/* Without it this helper is of no use. The master starts another, and the sessions ask that one. */
static void on_starter_lost(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    ev_io_stop(loop, watcher);
    log_message(EVENT_HELPER_FAILED, "the process that starts access control programs has ended");
    ev_break(loop, EVBREAK_ALL);
}

void acp_init(struct ev_loop *loop, int starter_fd)
{
    state.loop = loop;
    ev_io_init(&state.starter, on_starter_lost, starter_fd, EV_READ);
    if (starter_fd != -1)
        ev_io_start(loop, &state.starter);
}

unsigned acp_running(void)
{
    return state.running;
}

/* ---- what it prints ---- */

static void log_line_end(struct acp *acp)
{
    struct log_line line;

    if (acp->line_length == 0)
        return;
    acp->line[acp->line_length] = '\0';
    log_begin(&line, EVENT_ACP_OUTPUT);
    log_add(&line, "session", acp->job->session);
    log_add_text(&line, "text", acp->line);
    log_end(&line);
    acp->line_length = 0;
}

static void log_octets(struct acp *acp, const char *data, size_t length)
{
    for (size_t i = 0; i < length && acp->err_seen < OUTPUT_BYTES_MAX; i++, acp->err_seen++) {
        if (data[i] == '\n' || acp->line_length == sizeof(acp->line) - 1)
            log_line_end(acp);
        if (data[i] != '\n' && data[i] != '\0')
            acp->line[acp->line_length++] = data[i];
    }
}

static void keep_output(struct acp *acp, const char *data, size_t length)
{
    size_t room = OUTPUT_BYTES_MAX - acp->out_seen;

    if (length > room)
        length = room;
    memcpy(acp->out_text + acp->out_end, data, length);
    acp->out_end += length;
    acp->out_seen += length;
}

/* Reads once. Returns false where there is nothing to read now; *is_closed_r: nothing more will
 * come. */
static bool read_pipe(struct acp *acp, int fd, bool is_stderr, bool *is_closed_r)
{
    char data[READ_BYTES];
    ssize_t got = read(fd, data, sizeof(data));

    *is_closed_r = got == 0 || (got == -1 && errno != EAGAIN && errno != EINTR);
    if (got <= 0)
        return false;
    if (is_stderr)
        log_octets(acp, data, (size_t)got);
    else
        keep_output(acp, data, (size_t)got);
    return true;
}

/* ---- the end ---- */

static void stop_watching(struct acp *acp)
{
    ev_timer_stop(state.loop, &acp->limit);
    ev_io_stop(state.loop, &acp->space);
    ev_io_stop(state.loop, &acp->out);
    ev_io_stop(state.loop, &acp->err);
    ev_io_stop(state.loop, &acp->ended);
}

static void log_failure(const char *session, const char *why)
{
    struct log_line line;

    log_begin(&line, EVENT_ACP_FAILED);
    log_add(&line, "session", session);
    log_add_text(&line, "error", why);
    log_end(&line);
}

static enum message_result judge(const struct acp *acp)
{
    if (acp->end.kind == ACP_END_NOT_RUN) {
        log_failure(acp->job->session, strerror(acp->end.number));
        return MESSAGE_RESULT_FAILED;
    }
    if (acp->is_over_limit) {
        log_failure(acp->job->session, "time limit; killed with its process group");
        return MESSAGE_RESULT_TIME_LIMIT;
    }
    if (acp->end.kind != ACP_END_STATUS) {
        log_failure(acp->job->session, "its exit status is lost: the starter has ended");
        return MESSAGE_RESULT_FAILED;
    }
    if (WIFSIGNALED(acp->end.number)) {
        log_failure(acp->job->session, strsignal(WTERMSIG(acp->end.number)));
        return MESSAGE_RESULT_FAILED;
    }
    return WEXITSTATUS(acp->end.number) == 0 ? MESSAGE_RESULT_DONE : MESSAGE_RESULT_DENIED;
}

static void finish(struct acp *acp)
{
    enum message_result result = judge(acp);

    stop_watching(acp);
    log_line_end(acp);
    close(acp->channels.out);
    close(acp->channels.err);
    close(acp->channels.control);
    job_finish(acp->job, result);
    free(acp);
    state.running--;
}

/* Sends the output that is kept, and after it the result, if the program has ended. */
static void pass_output(struct acp *acp)
{
    while (acp->out_start < acp->out_end) {
        size_t length = acp->out_end - acp->out_start;
        if (length > MESSAGE_OUTPUT_BYTES)
            length = MESSAGE_OUTPUT_BYTES;
        if (job_answer(acp->job, MESSAGE_OUTPUT, acp->out_text + acp->out_start, length) ==
            IO_AGAIN) {
            ev_io_start(state.loop, &acp->space);
            return;
        }
        acp->out_start += length;
    }
    ev_io_stop(state.loop, &acp->space);
    acp->out_start = acp->out_end = 0;
    if (acp->has_ended)
        finish(acp);
}

static void drain_pipes(struct acp *acp)
{
    bool is_closed;

    for (int i = 0; i < DRAIN_ROUNDS && read_pipe(acp, acp->out.fd, false, &is_closed); i++)
        continue;
    for (int i = 0; i < DRAIN_ROUNDS && read_pipe(acp, acp->err.fd, true, &is_closed); i++)
        continue;
}

/* Returns false where the program has not ended. */
static bool take_end(struct acp *acp, int flags)
{
    ssize_t got = recv(acp->channels.control, &acp->end, sizeof(acp->end), flags);

    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got != sizeof(acp->end))
        acp->end = (struct acp_end){0};
    return true;
}

static void on_ended(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct acp *acp = watcher->data;
    bool is_unwatched = (events & EV_ERROR) != 0;

    if (is_unwatched)
        acp_starter_kill(&acp->channels);
    if (!take_end(acp, is_unwatched ? 0 : MSG_DONTWAIT))
        return;
    acp->has_ended = true;
    ev_io_stop(loop, watcher);
    ev_timer_stop(loop, &acp->limit);
    ev_io_stop(loop, &acp->out);
    ev_io_stop(loop, &acp->err);
    drain_pipes(acp);
    pass_output(acp);
}

static void on_limit(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct acp *acp = watcher->data;

    (void)loop;
    (void)events;
    acp->is_over_limit = true;
    acp_starter_kill(&acp->channels);
}

/* The session has ended and does not want the answer. */
static void on_gone(struct job *job)
{
    struct acp *acp = job->owner;

    acp->out_start = acp->out_end;
    if (acp->has_ended)
        finish(acp);
    else
        acp_starter_kill(&acp->channels);
}

static void on_space(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    pass_output(watcher->data);
}

static void on_out(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct acp *acp = watcher->data;
    bool is_closed;

    (void)events;
    if (read_pipe(acp, watcher->fd, false, &is_closed))
        pass_output(acp);
    if (is_closed)
        ev_io_stop(loop, watcher);
}

static void on_err(struct ev_loop *loop, ev_io *watcher, int events)
{
    bool is_closed;

    (void)events;
    read_pipe(watcher->data, watcher->fd, true, &is_closed);
    if (is_closed)
        ev_io_stop(loop, watcher);
}

/* ---- the start ---- */

static void watch(struct acp *acp, int64_t limit_ms)
{
    ev_io_init(&acp->ended, on_ended, acp->channels.control, EV_READ);
    ev_timer_init(&acp->limit, on_limit, (double)limit_ms / 1000.0, 0.0);
    ev_io_init(&acp->space, on_space, acp->job->answer_fd, EV_WRITE);
    ev_io_init(&acp->out, on_out, acp->channels.out, EV_READ);
    ev_io_init(&acp->err, on_err, acp->channels.err, EV_READ);
    acp->ended.data = acp->limit.data = acp->space.data = acp->out.data = acp->err.data = acp;
    ev_io_start(state.loop, &acp->ended);
    ev_timer_start(state.loop, &acp->limit);
    ev_io_start(state.loop, &acp->out);
    ev_io_start(state.loop, &acp->err);
    state.running++;
}

void acp_start(struct job *job)
{
    int64_t limit_ms = message_get_number(&job->request) - (clock_now_ms() - job->arrived_ms);
    struct acp *acp = calloc(1, sizeof(*acp));

    if (acp != NULL) {
        acp->job = job;
        job_take(job, acp, on_gone);
    }
    if (acp != NULL && acp_starter_ask(state.starter.fd, &job->request, &acp->channels) == 0) {
        watch(acp, limit_ms > 0 ? limit_ms : 0);
        return;
    }
    log_failure(job->session, strerror(errno));
    job_finish(job, MESSAGE_RESULT_FAILED);
    free(acp);
}
