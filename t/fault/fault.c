/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library for LD_PRELOAD that makes calls of the C library fail. Environment:
 *
 *   FAULT_CALL     the function
 *   FAULT_NUMBER   which of its calls in a process fails, from 1; 0: every one
 *   FAULT_ERRNO    the number of the error; 0: the call is made, but moves one octet at most
 *   FAULT_PROCESS  session: only the process that was started (the default); children: only what
 *                  it forks
 *   FAULT_REPORT   a file to which the name is written when a call failed. It is mapped at the
 *                  start, because a process in a sandbox can open none.
 *
 * Each child counts its own calls, and so does a program that it executes. Waits are not changed
 * except for the errors, so nothing takes longer.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *failing; /* NULL: nothing fails in this process */
static long number;
static int error_number;
static long calls;
static pid_t first_process;
static pid_t counted_process;
static char *reported; /* the memory of the file; NULL: none */

static long setting(const char *name)
{
    const char *text = getenv(name);

    return text == NULL ? 0 : strtol(text, NULL, 10);
}

static void open_report(const char *path)
{
    enum { REPORT_BYTES = 4096 };
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    void *memory = MAP_FAILED;

    if (fd == -1)
        return;
    if (fchmod(fd, 0666) == 0 && ftruncate(fd, REPORT_BYTES) == 0)
        memory = mmap(NULL, REPORT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        reported = memory;
    close(fd);
}

__attribute__((constructor)) static void begin(void)
{
    open_report(getenv("FAULT_REPORT"));
    failing = getenv("FAULT_CALL");
    number = setting("FAULT_NUMBER");
    error_number = (int)setting("FAULT_ERRNO");
    first_process = counted_process = getpid();
}

static void report(void)
{
    if (reported != NULL)
        strcpy(reported, failing);
}

static int is_wanted_process(void)
{
    const char *which = getenv("FAULT_PROCESS");
    int wants_children = which != NULL && strcmp(which, "children") == 0;
    pid_t self = (pid_t)syscall(SYS_getpid);

    if (self != counted_process) {
        counted_process = self;
        calls = 0;
    }
    return (self != first_process) == wants_children;
}

/* This is the call that fails, or moves one octet. */
static int is_due(const char *name)
{
    if (failing == NULL || strcmp(failing, name) != 0 || !is_wanted_process())
        return 0;
    if (number != 0 && ++calls != number)
        return 0;
    if (number != 0)
        report();
    errno = error_number;
    return 1;
}

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);

    if (function == NULL)
        abort();
    return function;
}

/* ---- calls that fail or not ---- */

#define FAIL_OR(name, result, parameters, arguments)                                               \
    result name parameters;                                                                        \
    result name parameters                                                                         \
    {                                                                                              \
        if (is_due(#name))                                                                         \
            return (result)-1;                                                                     \
        return ((result(*) parameters)real(#name))arguments;                                       \
    }

FAIL_OR(socket, int, (int domain, int type, int protocol), (domain, type, protocol))
FAIL_OR(socketpair, int, (int domain, int type, int protocol, int pair[2]),
        (domain, type, protocol, pair))
FAIL_OR(splice, ssize_t,
        (int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags),
        (from, from_at, to, to_at, size, flags))
FAIL_OR(connect, int, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
FAIL_OR(setsockopt, int, (int fd, int level, int name, const void *value, socklen_t size),
        (fd, level, name, value, size))
FAIL_OR(getsockopt, int, (int fd, int level, int name, void *value, socklen_t *size),
        (fd, level, name, value, size))
FAIL_OR(getpeername, int, (int fd, struct sockaddr *to, socklen_t *size), (fd, to, size))
FAIL_OR(getsockname, int, (int fd, struct sockaddr *to, socklen_t *size), (fd, to, size))
FAIL_OR(pipe2, int, (int pair[2], int flags), (pair, flags))
FAIL_OR(poll, int, (struct pollfd * fds, nfds_t count, int limit), (fds, count, limit))
FAIL_OR(ppoll, int,
        (struct pollfd * fds, nfds_t count, const struct timespec *limit, const sigset_t *mask),
        (fds, count, limit, mask))
FAIL_OR(epoll_ctl, int, (int epoll, int operation, int fd, struct epoll_event *event),
        (epoll, operation, fd, event))
FAIL_OR(rename, int, (const char *from, const char *to), (from, to))
FAIL_OR(sendmsg, ssize_t, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
FAIL_OR(recvmsg, ssize_t, (int fd, struct msghdr *message, int flags), (fd, message, flags))
FAIL_OR(waitpid, pid_t, (pid_t pid, int *status, int flags), (pid, status, flags))
FAIL_OR(execve, int, (const char *path, char *const *arguments, char *const *environment),
        (path, arguments, environment))

/* The same for the caller. */
pid_t _Fork(void)
{
    return is_due("fork") ? -1 : ((pid_t(*)(void))real("_Fork"))();
}

pid_t fork(void)
{
    return is_due("fork") ? -1 : ((pid_t(*)(void))real("fork"))();
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (is_due("mmap"))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

void *calloc(size_t count, size_t size)
{
    static void *(*next)(size_t, size_t);
    static int is_looking;

    if (next == NULL && is_looking)
        return NULL; /* a call by dlsym() itself, which works without */
    is_looking = 1;
    if (next == NULL)
        next = (void *(*)(size_t, size_t))real("calloc");
    return is_due("calloc") ? NULL : next(count, size);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    if ((flags & O_CREAT) != 0) {
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    if (is_due("open"))
        return -1;
    return ((int (*)(const char *, int, ...))real("open"))(path, flags, mode);
}

/* ---- calls that fail, or move less ---- */

/* Neither a datagram, whose rest would be lost, nor an eventfd, which cannot be split. */
static int may_cut(int fd)
{
    struct stat status;
    int type = SOCK_STREAM;
    socklen_t size = sizeof(type);

    if (syscall(SYS_fstat, fd, &status) == -1)
        return 0;
    if (S_ISSOCK(status.st_mode))
        syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
    return (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode)) &&
           type == SOCK_STREAM;
}

#define FAIL_OR_CUT(name, parameters, arguments)                                                   \
    ssize_t name parameters;                                                                       \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        if (is_due(#name)) {                                                                       \
            if (error_number != 0)                                                                 \
                return -1;                                                                         \
            size = size > 1 && may_cut(fd) ? 1 : size;                                             \
        }                                                                                          \
        return ((ssize_t(*) parameters)real(#name))arguments;                                      \
    }

FAIL_OR_CUT(recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
FAIL_OR_CUT(send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
FAIL_OR_CUT(read, (int fd, void *to, size_t size), (fd, to, size))
FAIL_OR_CUT(write, (int fd, const void *from, size_t size), (fd, from, size))
