/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follows access control programs, which acp_starter.c starts: output, time limit, end. The program
 * is the operator's, but strangers cause it to run. It may hang, write without end, or start a process
 * that outlives it. The helper never waits for it, so other sessions get their answers.
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
#include "base/file.h"
#include "base/log.h"
#include "helper/acp_starter.h"

enum {
    OUTPUT_BYTES_MAX = 64 * 1024, /* to the client, and the same again to the log */
    LOG_LINE_TEXT = 240,
    DRAIN_ROUNDS = 64, /* reads of what a program that has ended left in its pipes */
    READ_BYTES = 4096,
};
#define ASK_AGAIN_S 0.05
#define STARTER_PATIENCE_S 3.0 /* for the starter to kill a program */

struct acp {
    struct job *job;
    struct acp_channels channels;
    ev_io askable; /* the starter can take the request */
    ev_io ended;
    ev_timer ask_again; /* only where the kernel cannot watch for the end */
    ev_timer limit;
    ev_timer patience; /* the starter must have killed the program by then */
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
static void give_up_starter(const char *why)
{
    log_message(EVENT_HELPER_FAILED, "the process that starts access control programs %s", why);
    ev_break(state.loop, EVBREAK_ALL);
}

static void on_starter_lost(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    ev_io_stop(loop, watcher);
    give_up_starter("has ended");
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
    ev_io_stop(state.loop, &acp->askable);
    ev_timer_stop(state.loop, &acp->ask_again);
    ev_timer_stop(state.loop, &acp->limit);
    ev_timer_stop(state.loop, &acp->patience);
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

/* The starter has the request. */
static bool is_asked(const struct acp *acp)
{
    return acp->channels.control != -1;
}

static enum message_result judge(const struct acp *acp)
{
    if (acp->end.kind == ACP_END_NOT_RUN) {
        log_failure(acp->job->session, strerror(acp->end.number));
        return MESSAGE_RESULT_FAILED;
    }
    if (!is_asked(acp)) {
        log_failure(acp->job->session, "time limit; the process that starts programs is too slow");
        return MESSAGE_RESULT_TIME_LIMIT;
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
    file_close_failed(acp->channels.out);
    file_close_failed(acp->channels.err);
    file_close_failed(acp->channels.control);
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
static bool take_end(struct acp *acp)
{
    struct acp_end end = {0};
    ssize_t got = recv(acp->channels.control, &end, sizeof(end), MSG_DONTWAIT);

    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got != sizeof(end))
        end = (struct acp_end){0};
    ev_timer_stop(state.loop, &acp->patience);
    if (end.kind == ACP_END_KILLED)
        return false;
    acp->end = end;
    return true;
}

static void finish_if_ended(struct acp *acp)
{
    if (!take_end(acp))
        return;
    acp->has_ended = true;
    ev_io_stop(state.loop, &acp->ended);
    ev_timer_stop(state.loop, &acp->ask_again);
    ev_timer_stop(state.loop, &acp->limit);
    ev_io_stop(state.loop, &acp->out);
    ev_io_stop(state.loop, &acp->err);
    drain_pipes(acp);
    pass_output(acp);
}

/* The kernel may lack the memory to watch the socket. A wait for the end here would stop the helper
 * for as long as the program likes, so the helper looks now and then. */
static void on_ended(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct acp *acp = watcher->data;

    if ((events & EV_ERROR) != 0)
        ev_timer_start(loop, &acp->ask_again);
    finish_if_ended(acp);
}

static void on_ask_again(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    finish_if_ended(watcher->data);
}

/* A program that the kernel cannot end now (it waits for a disk) is nobody's fault, but the starter
 * has to say that it has tried. */
static void kill_program(struct acp *acp)
{
    acp_starter_kill(&acp->channels);
    ev_timer_start(state.loop, &acp->patience);
}

static void on_patience(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    give_up_starter("does not answer");
}

static void on_limit(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct acp *acp = watcher->data;

    (void)loop;
    (void)events;
    acp->is_over_limit = true;
    if (is_asked(acp))
        kill_program(acp);
    else
        finish(acp);
}

/* The session has ended and does not want the answer. */
static void on_gone(struct job *job)
{
    struct acp *acp = job->owner;

    acp->out_start = acp->out_end;
    if (acp->has_ended || !is_asked(acp))
        finish(acp);
    else
        kill_program(acp);
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

static void watch(struct acp *acp)
{
    ev_io_set(&acp->ended, acp->channels.control, EV_READ);
    ev_io_set(&acp->out, acp->channels.out, EV_READ);
    ev_io_set(&acp->err, acp->channels.err, EV_READ);
    ev_io_start(state.loop, &acp->ended);
    ev_io_start(state.loop, &acp->out);
    ev_io_start(state.loop, &acp->err);
}

/* Waits where the starter has too many requests to read. */
static void ask(struct acp *acp)
{
    if (acp_starter_ask(state.starter.fd, &acp->job->request, &acp->channels) == 0) {
        ev_io_stop(state.loop, &acp->askable);
        watch(acp);
    } else if (errno == EAGAIN) {
        ev_io_start(state.loop, &acp->askable);
    } else {
        acp->end = (struct acp_end){.kind = ACP_END_NOT_RUN, .number = errno};
        finish(acp);
    }
}

static void on_askable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    ask(watcher->data);
}

static void init_watchers(struct acp *acp, int64_t limit_ms)
{
    ev_io_init(&acp->askable, on_askable, state.starter.fd, EV_WRITE);
    ev_init(&acp->ended, on_ended);
    ev_timer_init(&acp->ask_again, on_ask_again, ASK_AGAIN_S, ASK_AGAIN_S);
    ev_timer_init(&acp->limit, on_limit, (double)limit_ms / 1000.0, 0.0);
    ev_timer_init(&acp->patience, on_patience, STARTER_PATIENCE_S, 0.0);
    ev_io_init(&acp->space, on_space, acp->job->channel->fd, EV_WRITE);
    ev_init(&acp->out, on_out);
    ev_init(&acp->err, on_err);
    acp->askable.data = acp->ended.data = acp->ask_again.data = acp;
    acp->limit.data = acp->patience.data = acp;
    acp->space.data = acp->out.data = acp->err.data = acp;
}

void acp_start(struct job *job)
{
    int64_t limit_ms = message_get_number(&job->request) - (clock_now_ms() - job->arrived_ms);
    struct acp *acp = calloc(1, sizeof(*acp));

    if (acp == NULL) {
        log_failure(job->session, strerror(errno));
        job_finish(job, MESSAGE_RESULT_FAILED);
        return;
    }
    acp->job = job;
    acp->channels = (struct acp_channels){.control = -1, .out = -1, .err = -1};
    job_take(job, acp, on_gone);
    init_watchers(acp, limit_ms > 0 ? limit_ms : 0);
    ev_timer_start(state.loop, &acp->limit);
    state.running++;
    ask(acp);
}
