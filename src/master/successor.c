/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The starter knows nothing but the successor and its standard error. It is killed by the previous
 * binary when the successor is ready, and by the kernel when the previous binary dies.
 */
#include "master/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
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
#include "base/complain.h"
#include "base/descriptors.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/octet.h"

#define STANDARD_ERROR                                                                             \
    "POP3_PROXY_STDERR_FD" /* the name it is passed under, with the starter's pid */

enum { EXIT_CANNOT_RUN = 127, PIECE_BYTES = 4096 };

static char program[PATH_MAX];
static char *const *arguments;
static int start_directory = -1; /* relative paths in the arguments begin there */

/* ---- the successor, up to its exec ---- */

/* The shell found a name without a slash in PATH; execvp() will do the same again. */
void successor_remember(char *const argv[])
{
    char here[PATH_MAX];

    arguments = argv;
    start_directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (argv[0][0] != '/' && strchr(argv[0], '/') != NULL && getcwd(here, sizeof(here)) != NULL)
        snprintf(program, sizeof(program), "%.*s/%.*s", PATH_MAX / 2, here, PATH_MAX / 2 - 2,
                 argv[0]);
    else
        snprintf(program, sizeof(program), "%s", argv[0]);
}

static void exec_successor(int ready_fd, int words_fd, pid_t starter, successor_pass *pass)
{
    char pid[16];

    snprintf(pid, sizeof(pid), "%d", (int)starter);
    inherit_pass(STANDARD_ERROR, fcntl(STDERR_FILENO, F_DUPFD, STDERR_FILENO + 1), pid);
    inherit_pass(INHERIT_READY, ready_fd, NULL);
    pass();
    dup2(words_fd, STDERR_FILENO);
    child_restore_signals();
    if (start_directory != -1 && fchdir(start_directory) == -1)
        log_message_at(LOG_LEVEL_WARNING, EVENT_UPGRADE,
                       "cannot go to the directory of the first start: %s", strerror(errno));
    descriptors_restore_limit();
    execvp(program, arguments);
    complain("%s: %s", program, strerror(errno));
    _exit(EXIT_CANNOT_RUN);
}

/* ---- the starter ---- */

struct words {
    char text[SUCCESSOR_WORDS_SIZE];
    size_t length;
    bool is_cut;
};

static void keep_words(struct words *words, const char *text, size_t length)
{
    static const char separator[] = " | ";

    for (size_t i = 0; i < length; i++) {
        bool is_end = text[i] == '\n';
        size_t size = is_end ? sizeof(separator) - 1 : 1;

        words->is_cut = words->is_cut || words->length + size > sizeof(words->text) - sizeof("...");
        if (words->is_cut)
            return;
        memcpy(words->text + words->length, is_end ? separator : &text[i], size);
        words->length += size;
    }
}

static void finish_words(struct words *words)
{
    while (words->length > 0 && strchr(" |", words->text[words->length - 1]) != NULL)
        words->length--;
    snprintf(words->text + words->length, sizeof(words->text) - words->length, "%s",
             words->is_cut ? "..." : "");
    for (char *c = words->text; *c != '\0'; c++)
        if (!octet_is_printable(*c))
            *c = '?';
}

/* Passes on what there is to read now. Returns false at the end. */
static bool pass_words_on(int fd, struct words *words)
{
    char piece[PIECE_BYTES];
    ssize_t count;

    while ((count = read(fd, piece, sizeof(piece))) > 0) {
        keep_words(words, piece, (size_t)count);
        (void)!write(STDERR_FILENO, piece, (size_t)count);
    }
    return count == -1 && errno == EAGAIN;
}

/* Until the successor has ended. A child of its own may have the same standard error and live on,
 * so the end of the words is not what to wait for. */
static int wait_for_end(pid_t successor, int words_fd, int ended_fd, struct words *words)
{
    struct pollfd ready[] = {{.fd = words_fd, .events = POLLIN},
                             {.fd = ended_fd, .events = POLLIN}};
    int status;

    for (;;) {
        pid_t ended = waitpid(successor, &status, WNOHANG);

        if (ready[0].fd != -1 && !pass_words_on(words_fd, words))
            ready[0].fd = -1;
        if (ended == successor)
            return status;
        (void)poll(ready, 2, -1);
        if (ready[1].revents != 0) {
            struct signalfd_siginfo info;
            (void)!read(ended_fd, &info, sizeof(info));
        }
    }
}

static void report_end(int fd, int status, struct words *words)
{
    char message[1 + sizeof(struct successor_end)] = {SUCCESSOR_ENDED};
    struct successor_end end = {.status = status};

    finish_words(words);
    memcpy(end.words, words->text, sizeof(end.words));
    memcpy(message + 1, &end, sizeof(end));
    (void)!send(fd, message, sizeof(message), MSG_NOSIGNAL);
}

static void send_pid(int fd, pid_t pid)
{
    (void)!send(fd, &pid, sizeof(pid), MSG_NOSIGNAL);
}

/* SIGCHLD is blocked, as all signals are in a forked child, and read from a descriptor. */
static int open_end(void)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The successor sends its process id before the new binary says anything; if it cannot be forked,
 * the starter sends minus the error. */
static void run_starter(int ready_fd, successor_pass *pass)
{
    struct words words = {.length = 0};
    pid_t starter = getpid();
    int ended_fd = open_end();
    int pipe_fds[2];
    pid_t pid = -1;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ended_fd != -1 && pipe2(pipe_fds, O_CLOEXEC) == 0)
        pid = child_fork();
    if (pid == -1)
        send_pid(ready_fd, -errno);
    if (pid == 0) {
        send_pid(ready_fd, getpid());
        exec_successor(ready_fd, pipe_fds[1], starter, pass);
    }
    if (pid == -1)
        _exit(EX_OSERR);
    int keep[] = {ready_fd, pipe_fds[0], ended_fd};
    descriptors_close_all_but(keep, sizeof(keep) / sizeof(keep[0]));
    (void)fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    report_end(ready_fd, wait_for_end(pid, pipe_fds[0], ended_fd, &words), &words);
    _exit(EX_OK);
}

/* ---- the previous binary ---- */

int successor_start(struct successor *successor, const int fds[2], successor_pass *pass,
                    struct error *error)
{
    pid_t starter = child_fork();
    pid_t pid = -ECHILD;

    if (starter == 0)
        run_starter(fds[1], pass);
    if (starter == -1)
        return error_set(error, "cannot fork: %s", strerror(errno));
    close(fds[1]);
    if (read(fds[0], &pid, sizeof(pid)) != sizeof(pid) || pid < 0)
        return error_set(error, "cannot fork: %s", strerror(pid < 0 ? -pid : ECHILD));
    *successor = (struct successor){.pid = pid, .starter = starter};
    return 0;
}

void successor_release(struct successor *successor)
{
    if (successor->starter != 0)
        kill(successor->starter, SIGKILL);
}

bool successor_reap(struct successor *successor, pid_t pid)
{
    if (pid == 0 || pid != successor->starter)
        return false;
    successor->starter = 0;
    return true;
}

const char *successor_describe(const struct successor_end *end, struct error *error)
{
    const char *colon = end->words[0] == '\0' ? "" : ": ";

    if (WIFSIGNALED(end->status))
        error_set(error, "was ended by signal %d%s%s", WTERMSIG(end->status), colon, end->words);
    else
        error_set(error, "exited with status %d%s%s", WEXITSTATUS(end->status), colon, end->words);
    return error->text;
}

/* ---- in the successor, after its exec ---- */

static int words_fd = -1; /* the previous binary hears what is written there */
static pid_t starter_pid; /* 0: none */

void successor_take_stderr(void)
{
    char *text;
    int fd = inherit_take(STANDARD_ERROR, &text);

    if (text != NULL)
        starter_pid = atoi(text);
    free(text);
    if (fd == -1)
        return;
    words_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

void successor_complain(const char *text)
{
    int fd = words_fd == -1 ? STDERR_FILENO : words_fd;

    dprintf(fd, "pop3.proxy: %s\n", text); /* the starter passes it on to standard error */
}

void successor_is_ready(void)
{
    if (words_fd != -1)
        close(words_fd);
    words_fd = -1;
}

bool successor_is_released(void)
{
    return starter_pid == 0 || getppid() != starter_pid;
}
