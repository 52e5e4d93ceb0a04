/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forks and executes programs, each in a session and process group of its own, and says how it has
 * ended. A program comes as one message with the values of its environment and three descriptors:
 * its socket to the helper, and its standard output and error.
 */
#include "helper/acp_starter.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptors.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "base/passed.h"
#include "base/privileges.h"
#include "base/process.h"
#include "base/sandbox.h"

enum {
    VALUES_MAX = 16,
    EXEC_FAILED = 127,
    CONTROL = 0, /* the descriptors of a message */
    OUT = 1,
    ERR = 2,
    PASSED = 3,
};

static const char *const variable_names[] = {
#define ACP_VARIABLE(name, field) #name,
#include "helper/acp.def"
#undef ACP_VARIABLE
};
enum { VARIABLE_COUNT = sizeof(variable_names) / sizeof(variable_names[0]) };
_Static_assert(VARIABLE_COUNT + 2 <= VALUES_MAX, "room for PATH and the NULL at the end");

/* A program that runs. */
struct program {
    struct program *next;
    pid_t pid;
    ev_io control;
};

static struct {
    struct acp_setting setting;
    struct ev_loop *loop;
    ev_io requests;
    ev_io children;
    ev_timer nudge;
    struct program *programs;
    size_t program_count;
} starter;

/* ---- the environment: the request's values, and PATH as this process has it ---- */

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
    if (environment[count] == NULL)
        return false;
    errno = EPROTO;
    return message_is_done(request);
}

/* One of them is the password. */
static void wipe_environment(char *environment[VALUES_MAX])
{
    for (size_t i = 0; i < VALUES_MAX && environment[i] != NULL; i++) {
        explicit_bzero(environment[i], strlen(environment[i]));
        free(environment[i]);
    }
}

/* ---- a program ---- */

static void send_end(int fd, enum acp_end_kind kind, int number)
{
    struct acp_end end = {.kind = kind, .number = number};

    (void)!send(fd, &end, sizeof(end), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void move_fd(int from, int to)
{
    if (from == to)
        fcntl(to, F_SETFD, 0);
    else
        dup2(from, to);
}

static void exec_program(char **environment, const int passed[PASSED])
{
    const char *program = starter.setting.program;
    char *const arguments[] = {(char *)(uintptr_t)program, NULL};

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the program dies with the starter */
    child_restore_signals();
    move_fd(open("/dev/null", O_RDONLY), STDIN_FILENO);
    move_fd(passed[OUT], STDOUT_FILENO);
    move_fd(passed[ERR], STDERR_FILENO);
    dup2(passed[CONTROL], 3);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    descriptors_close_from(4);
    descriptors_restore_limit();
    execve(program, arguments, environment);
    send_end(3, ACP_END_NOT_RUN, errno);
    _exit(EXEC_FAILED);
}

/* In the moment after the fork there is no group yet. */
static void kill_program(const struct program *program)
{
    if (kill(-program->pid, SIGKILL) == -1)
        (void)kill(program->pid, SIGKILL);
}

/* The helper wants it to end, or has ended itself. Or the kernel cannot watch for that: then nothing
 * else would limit its time. */
static void on_control(struct ev_loop *loop, ev_io *watcher, int events)
{
    const struct program *program = watcher->data;

    (void)events;
    ev_io_stop(loop, watcher);
    kill_program(program);
    send_end(watcher->fd, ACP_END_KILLED, 0);
}

/* libev reports a descriptor that it cannot watch only after its next sleep. This timer makes that
 * sleep a short one after each new descriptor. */
static void on_nudge(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

static void add_program(struct program *program, pid_t pid, int control)
{
    program->pid = pid;
    program->next = starter.programs;
    starter.programs = program;
    starter.program_count++;
    ev_io_init(&program->control, on_control, control, EV_READ);
    program->control.data = program;
    ev_io_start(starter.loop, &program->control);
    ev_timer_start(starter.loop, &starter.nudge);
}

/* Returns memory for one more program, or NULL with errno. */
static struct program *new_program(void)
{
    errno = EAGAIN;
    return starter.program_count < ACP_PROGRAMS_MAX ? calloc(1, sizeof(struct program)) : NULL;
}

static void start_program(struct message *request, const int passed[PASSED])
{
    char *environment[VALUES_MAX] = {NULL};
    struct program *program = new_program();
    pid_t pid = -1;

    if (program != NULL && fill_environment(environment, starter.setting.prefix, request))
        pid = process_fork();
    if (pid == 0)
        exec_program(environment, passed);
    if (pid == -1) {
        send_end(passed[CONTROL], ACP_END_NOT_RUN, errno);
        passed_close(passed[CONTROL]);
        free(program);
    } else {
        add_program(program, pid, passed[CONTROL]);
    }
    passed_close(passed[OUT]);
    passed_close(passed[ERR]);
    wipe_environment(environment);
}

static void end_program(pid_t pid, int status)
{
    struct program **link = &starter.programs;
    struct program *program;

    while (*link != NULL && (*link)->pid != pid)
        link = &(*link)->next;
    program = *link;
    if (program == NULL)
        return;
    *link = program->next;
    starter.program_count--;
    ev_io_stop(starter.loop, &program->control);
    send_end(program->control.fd, ACP_END_STATUS, status);
    passed_close(program->control.fd);
    free(program);
}

/* The helper has ended and nobody wants an answer any more; or the kernel cannot watch for what comes,
 * and the helper has to fork another one. */
static void leave(void)
{
    for (const struct program *program = starter.programs; program != NULL; program = program->next)
        kill_program(program);
    _exit(EX_OK);
}

static void on_children(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct signalfd_siginfo information;
    int status;
    pid_t pid;

    (void)loop;
    if ((events & EV_ERROR) != 0)
        leave();
    (void)!read(watcher->fd, &information, sizeof(information));
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        end_program(pid, status);
    /* The programs are not its children any more, so it cannot tell how they have ended. The helper
     * notices that the starter ends, and fails their logins. It kills none, because their numbers may
     * belong to other processes by now. */
    if (pid == -1 && errno == ECHILD && starter.programs != NULL)
        _exit(EX_OSERR);
}

/* ---- requests ---- */

/* *is_complete_r: the three descriptors came with the message; they are closed on exec. */
static ssize_t receive(int fd, char *data, size_t size, int passed[PASSED], bool *is_complete_r)
{
    union passed_room room;
    struct iovec piece = {.iov_base = data, .iov_len = size};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &room,
                            .msg_controllen = sizeof(room)};
    ssize_t length = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    *is_complete_r = length != -1 && passed_take(&header, passed, PASSED);
    return length;
}

static void on_request(struct ev_loop *loop, ev_io *watcher, int events)
{
    static char data[MESSAGE_BYTES];
    int passed[PASSED];
    bool is_complete;
    ssize_t length = receive(watcher->fd, data, sizeof(data), passed, &is_complete);
    struct message request = {0};

    (void)loop;
    if ((events & EV_ERROR) != 0 || length == 0 ||
        (length == -1 && errno != EAGAIN && errno != EINTR))
        leave();
    if (length == -1)
        return;
    if (is_complete && message_open(&request, data, (size_t)length) == MESSAGE_ACCESS)
        start_program(&request, passed);
    else if (is_complete)
        for (size_t i = 0; i < PASSED; i++)
            passed_close(passed[i]);
    explicit_bzero(data, (size_t)length);
}

/* ---- the process ---- */

static int open_children(void)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

/*
 * A starter that somebody has stopped does not notice that the helper has ended. So the kernel sends
 * SIGCONT, which works although it is blocked, when the other end of this pipe is closed. SIGKILL
 * would leave the programs' groups, and PR_SET_PDEATHSIG would be a signal from the helper, whose
 * sandbox lets it send none.
 */
static void go_on_at_close_of(int lifeline)
{
    if (fcntl(lifeline, F_SETOWN, getpid()) == -1 || fcntl(lifeline, F_SETSIG, SIGCONT) == -1 ||
        fcntl(lifeline, F_SETFL, O_ASYNC) == -1)
        log_message(EVENT_HELPER_FAILED, "the process that starts programs stays if it is stopped: %s",
                    strerror(errno));
}

/* All signals stay blocked: the starter ends with the helper, and SIGCHLD comes by a descriptor. */
static void run(int fd, int lifeline, uid_t uid, gid_t gid)
{
    int keep[] = {fd, lifeline};
    struct error error;
    int children;

    child_reset_signals(NULL, 0);
    child_drop_descriptors(keep, 2);
    if (privileges_drop(uid, gid, &error) == -1) {
        log_repeat_message(EVENT_PRIVILEGES, "%s", error.text);
        return;
    }
    sandbox_stay_free(SANDBOX_STARTER);
    go_on_at_close_of(lifeline);
    (void)prctl(PR_SET_DUMPABLE, 0); /* passwords pass through here; exec undoes this */
    children = open_children();
    starter.loop = ev_loop_new(EVFLAG_AUTO);
    if (children == -1 || starter.loop == NULL) {
        log_message(EVENT_HELPER_FAILED, "the process that starts programs cannot start: %s",
                    strerror(errno));
        return;
    }
    ev_io_init(&starter.requests, on_request, fd, EV_READ);
    ev_io_init(&starter.children, on_children, children, EV_READ);
    ev_io_start(starter.loop, &starter.requests);
    ev_io_start(starter.loop, &starter.children);
    ev_timer_init(&starter.nudge, on_nudge, 0.0, 0.0);
    ev_timer_start(starter.loop, &starter.nudge);
    ev_run(starter.loop, 0);
}

int acp_starter_fork(const struct acp_setting *setting, uid_t uid, gid_t gid)
{
    int pair[2];
    int lifeline[2]; /* the helper's end stays open until it ends */
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return -1;
    if (pipe2(lifeline, O_CLOEXEC) == -1) {
        (void)file_close_failed(pair[0]);
        return file_close_failed(pair[1]);
    }
    starter.setting = *setting;
    pid = child_fork();
    if (pid == 0) {
        run(pair[1], lifeline[0], uid, gid);
        _exit(EX_OSERR);
    }
    close(pair[1]);
    close(lifeline[0]);
    if (pid != -1)
        return pair[0];
    (void)file_close_failed(lifeline[1]);
    return file_close_failed(pair[0]);
}

/* ---- the helper's side ---- */

static int send_request(int fd, const struct message *request, const int passed[PASSED])
{
    char head[MESSAGE_HEAD_BYTES];
    struct iovec pieces[2] = {
        {.iov_base = head, .iov_len = sizeof(head)},
        {.iov_base = request->data + request->at, .iov_len = request->length - request->at}};
    union {
        char octets[CMSG_SPACE(PASSED * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr header = {.msg_iov = pieces,
                            .msg_iovlen = 2,
                            .msg_control = control.octets,
                            .msg_controllen = sizeof(control.octets)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&header);
    ssize_t sent;

    message_write_head(head, MESSAGE_ACCESS, request->number);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(PASSED * sizeof(int));
    memcpy(CMSG_DATA(part), passed, PASSED * sizeof(int));
    do {
        sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    return sent == -1 ? -1 : 0;
}

/* [0] is the helper's end. */
static int open_channels(int control[2], int out[2], int err[2])
{
    control[0] = control[1] = out[0] = out[1] = err[0] = err[1] = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == -1 ||
        pipe2(out, O_CLOEXEC) == -1 || pipe2(err, O_CLOEXEC) == -1)
        return -1;
    (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(err[0], F_SETFL, O_NONBLOCK);
    return 0;
}

int acp_starter_ask(int starter_fd, struct message *request, struct acp_channels *channels)
{
    int control[2], out[2], err[2];
    int result = open_channels(control, out, err);

    if (result == 0) {
        const int passed[PASSED] = {[CONTROL] = control[1], [OUT] = out[1], [ERR] = err[1]};
        result = send_request(starter_fd, request, passed);
    }
    file_close_failed(control[1]);
    file_close_failed(out[1]);
    file_close_failed(err[1]);
    if (result == 0) {
        *channels = (struct acp_channels){.control = control[0], .out = out[0], .err = err[0]};
        return 0;
    }
    file_close_failed(control[0]);
    file_close_failed(out[0]);
    return file_close_failed(err[0]);
}

void acp_starter_kill(const struct acp_channels *channels)
{
    (void)send(channels->control, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}
