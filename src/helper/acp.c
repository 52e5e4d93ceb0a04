/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs access control programs: environment, pipes, time limit, end. The program is the operator's,
 * but strangers cause it to run. So nothing that it does may stop the helper: neither silence, nor
 * endless output, nor a process that it leaves behind.
 */
#include "helper/acp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

enum {
    OUTPUT_BYTES_MAX = 64 * 1024, /* to the client, and the same again to the log */
    LOG_LINE_TEXT = 240,
    VALUES_MAX = 16,
    DRAIN_ROUNDS = 64, /* reads of what a program that has ended left in its pipes */
    EXEC_FAILED = 127,
    READ_BYTES = 4096,
};

static const char *const variable_names[] = {
#define ACP_VARIABLE(name, field) #name,
#include "helper/acp.def"
#undef ACP_VARIABLE
};
enum { VARIABLE_COUNT = sizeof(variable_names) / sizeof(variable_names[0]) };

struct acp {
    struct job *job;
    pid_t pid;
    ev_io ended; /* a pidfd: ev_child works only with the default loop, which is the master's */
    ev_timer limit;
    ev_io space; /* the asking side can take output again */
    ev_io out;
    ev_io err;
    int exec_error_fd;
    bool is_over_limit;
    bool has_ended;
    int status;     /* of waitpid(): not granted until the program has said so */
    int wait_error; /* why there is no exit status; 0: there is one */
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
    struct acp_setting setting;
    unsigned running;
} state;

void acp_init(struct ev_loop *loop, const struct acp_setting *setting)
{
    state.loop = loop;
    state.setting = *setting;
}

unsigned acp_running(void)
{
    return state.running;
}

/* ---- the child ---- */

static void move_fd(int from, int to)
{
    if (from == to)
        fcntl(to, F_SETFD, 0);
    else
        dup2(from, to);
}

static void exec_program(const char *program, char **environment, int out, int err, int exec_error)
{
    char *const arguments[] = {(char *)(uintptr_t)program, NULL};
    int error;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the program dies with the helper */
    child_restore_signals();
    move_fd(open("/dev/null", O_RDONLY), STDIN_FILENO);
    move_fd(out, STDOUT_FILENO);
    move_fd(err, STDERR_FILENO);
    dup2(exec_error, 3);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_range(4, ~0U, 0);
    descriptors_restore_limit();
    execve(program, arguments, environment);
    error = errno;
    if (write(3, &error, sizeof(error)) == -1)
        _exit(EXEC_FAILED);
    _exit(EXEC_FAILED);
}

/* ---- the environment: the request's values, and PATH as the helper has it ---- */

static char *new_variable(const char *prefix, const char *name, const char *value)
{
    size_t size = strlen(prefix) + strlen(name) + strlen(value) + 2;
    char *text = malloc(size);

    if (text != NULL)
        snprintf(text, size, "%s%s=%s", prefix, name, value);
    return text;
}

static bool fill_environment(char *environment[VALUES_MAX], const char *prefix,
                             struct message *request)
{
    const char *path = getenv("PATH");
    size_t count = 0;

    for (; count < VARIABLE_COUNT; count++) {
        const char *value = message_get(request);
        environment[count] = new_variable(prefix, variable_names[count], value);
        if (environment[count] == NULL)
            return false;
    }
    environment[count] = new_variable("", "PATH", path != NULL ? path : "/usr/bin:/bin");
    return environment[count] != NULL && message_is_done(request);
}

/* One of them is the password. */
static void wipe_environment(char *environment[VALUES_MAX])
{
    for (size_t i = 0; i < VALUES_MAX && environment[i] != NULL; i++) {
        explicit_bzero(environment[i], strlen(environment[i]));
        free(environment[i]);
    }
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
    int exec_error;

    if (read(acp->exec_error_fd, &exec_error, sizeof(exec_error)) == sizeof(exec_error)) {
        log_failure(acp->job->session, strerror(exec_error));
        return MESSAGE_RESULT_FAILED;
    }
    if (acp->is_over_limit) {
        log_failure(acp->job->session, "time limit; killed with its process group");
        return MESSAGE_RESULT_TIME_LIMIT;
    }
    if (acp->wait_error != 0) {
        char why[128];

        snprintf(why, sizeof(why), "its exit status is lost: %s", strerror(acp->wait_error));
        log_failure(acp->job->session, why);
        return MESSAGE_RESULT_FAILED;
    }
    if (WIFSIGNALED(acp->status)) {
        log_failure(acp->job->session, strsignal(WTERMSIG(acp->status)));
        return MESSAGE_RESULT_FAILED;
    }
    return WEXITSTATUS(acp->status) == 0 ? MESSAGE_RESULT_DONE : MESSAGE_RESULT_DENIED;
}

static void finish(struct acp *acp)
{
    enum message_result result = judge(acp);

    stop_watching(acp);
    log_line_end(acp);
    close(acp->out.fd);
    close(acp->err.fd);
    close(acp->exec_error_fd);
    close(acp->ended.fd);
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

/* The program has ended. Returns false where its exit status cannot be had yet. */
static bool take_status(struct acp *acp, int flags)
{
    pid_t pid = waitpid(acp->pid, &acp->status, flags);

    if (pid == 0 || (pid == -1 && errno == EINTR))
        return false;
    acp->wait_error = pid == -1 ? errno : 0;
    return true;
}

static void on_ended(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct acp *acp = watcher->data;

    if ((events & EV_ERROR) != 0)
        kill(-acp->pid, SIGKILL); /* its end cannot be watched */
    if (!take_status(acp, (events & EV_ERROR) != 0 ? 0 : WNOHANG))
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
    kill(-acp->pid, SIGKILL);
}

/* The session has ended and does not want the answer. */
static void on_gone(struct job *job)
{
    struct acp *acp = job->owner;

    acp->out_start = acp->out_end;
    if (acp->has_ended)
        finish(acp);
    else
        kill(-acp->pid, SIGKILL);
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

static int open_pipes(int out[2], int err[2], int exec_error[2])
{
    out[0] = out[1] = err[0] = err[1] = exec_error[0] = exec_error[1] = -1;
    if (pipe2(out, O_CLOEXEC) == -1 || pipe2(err, O_CLOEXEC) == -1 ||
        pipe2(exec_error, O_CLOEXEC) == -1)
        return -1;
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    fcntl(exec_error[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static void watch(struct acp *acp, int pid_fd, int out, int err, int64_t limit_ms)
{
    ev_io_init(&acp->ended, on_ended, pid_fd, EV_READ);
    ev_timer_init(&acp->limit, on_limit, (double)limit_ms / 1000.0, 0.0);
    ev_io_init(&acp->space, on_space, acp->job->answer_fd, EV_WRITE);
    ev_io_init(&acp->out, on_out, out, EV_READ);
    ev_io_init(&acp->err, on_err, err, EV_READ);
    acp->ended.data = acp->limit.data = acp->space.data = acp->out.data = acp->err.data = acp;
    ev_io_start(state.loop, &acp->ended);
    ev_timer_start(state.loop, &acp->limit);
    ev_io_start(state.loop, &acp->out);
    ev_io_start(state.loop, &acp->err);
}

/* Forks, and opens a pidfd of the child. Returns the pidfd, or -1. */
static int fork_program(struct acp *acp, char **environment, int out, int err, int exec_error)
{
    int pid_fd;

    acp->pid = process_fork();
    if (acp->pid == 0)
        exec_program(state.setting.program, environment, out, err, exec_error);
    if (acp->pid == -1)
        return -1;
    pid_fd = (int)syscall(SYS_pidfd_open, acp->pid, 0); /* glibc 2.36 and later has a function */
    if (pid_fd == -1) {
        int error = errno;
        kill(acp->pid, SIGKILL);
        waitpid(acp->pid, NULL, 0);
        errno = error;
    }
    return pid_fd;
}

static int start(struct acp *acp, char **environment, int64_t limit_ms)
{
    int out[2], err[2], exec_error[2];
    int pid_fd = -1;

    if (open_pipes(out, err, exec_error) == 0)
        pid_fd = fork_program(acp, environment, out[1], err[1], exec_error[1]);
    file_close_failed(out[1]);
    file_close_failed(err[1]);
    file_close_failed(exec_error[1]);
    if (pid_fd == -1) {
        file_close_failed(out[0]);
        file_close_failed(err[0]);
        return file_close_failed(exec_error[0]);
    }
    setpgid(acp->pid, acp->pid); /* the child does the same; one of them is the first */
    acp->exec_error_fd = exec_error[0];
    watch(acp, pid_fd, out[0], err[0], limit_ms);
    state.running++;
    return 0;
}

void acp_start(struct job *job)
{
    char *environment[VALUES_MAX] = {NULL};
    int64_t limit_ms = message_get_number(&job->request) - (clock_now_ms() - job->arrived_ms);
    struct acp *acp = calloc(1, sizeof(*acp));
    int result = -1;

    if (acp != NULL) {
        acp->job = job;
        acp->status = W_EXITCODE(EXEC_FAILED, 0);
        job_take(job, acp, on_gone);
        if (!fill_environment(environment, state.setting.prefix, &job->request))
            errno = EPROTO;
        else
            result = start(acp, environment, limit_ms > 0 ? limit_ms : 0);
    }
    if (result == -1) {
        log_failure(job->session, strerror(errno));
        job_finish(job, MESSAGE_RESULT_FAILED);
        free(acp);
    }
    wipe_environment(environment);
}
