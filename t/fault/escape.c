/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library for LD_PRELOAD that lets a process do what somebody would do who has taken it over.
 * ESCAPE_FILE is a file that is mapped at the start, because a process in a sandbox opens none. A
 * test writes a process id there and then an order; when this process calls one of the functions
 * below for the next time, it carries the order out and writes what came of it.
 *
 * With ESCAPE_DENY in the environment no process may have a filter or Landlock, as in a container that
 * does not permit them. With ESCAPE_FULL it has as many as the kernel permits already. With
 * ESCAPE_REFUSE libseccomp refuses every rule. With ESCAPE_LANDLOCK the kernel seems to have this
 * version of Landlock.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As t/sandbox.t packs it. */
struct cell {
    _Atomic int32_t pid;
    _Atomic int32_t order; /* 0: none */
    _Atomic int32_t is_done;
    _Atomic int32_t result;
    _Atomic int32_t error;
};

static struct cell *cell;
static int is_denied;
static long landlock_version; /* 0: the kernel's own */

enum { ENTERED_MALLOC = 99 }; /* a result: the handler of the forbidden call has allocated memory */
enum { FILTER_LONGEST = 4096, FILTER_SHORTEST = 16, RULESET_MAKE_BLOCK = 1 << 11 };

/* The kernel counts the instructions of all filters of a process together. */
static void fill_filters(void)
{
    static struct sock_filter code[FILTER_LONGEST];
    struct sock_fprog program = {.len = FILTER_LONGEST, .filter = code};

    for (size_t i = 0; i < FILTER_LONGEST; i++)
        code[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    while (program.len >= FILTER_SHORTEST)
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1)
            program.len = (unsigned short)(program.len / 2);
}

/* Each of these forbids to make a block device, and nothing else. */
static void fill_landlock(void)
{
    uint64_t files = RULESET_MAKE_BLOCK;
    long ruleset = syscall(444, &files, sizeof(files), 0, 0, 0, 0);

    while (ruleset != -1 && syscall(446, ruleset, 0, 0, 0, 0, 0) == 0)
        continue;
    if (ruleset != -1)
        close((int)ruleset);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("ESCAPE_FILE");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *memory;

    is_denied = getenv("ESCAPE_DENY") != NULL;
    if (getenv("ESCAPE_FULL") != NULL) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        fill_landlock();
        fill_filters();
    }
    landlock_version = getenv("ESCAPE_LANDLOCK") == NULL ? 0 : atol(getenv("ESCAPE_LANDLOCK"));
    if (fd == -1)
        return;
    memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED)
        cell = memory;
}

enum {
    OPEN = 1,
    EXECUTE,
    FORK,
    KILL,
    UNIX_SOCKET,
    RAW_SOCKET,
    BPF,
    IO_URING,
    UNSHARE,
    PRIVILEGES,
    WRITE,
};

static long execute(void)
{
    char *const arguments[] = {(char *)(uintptr_t)"true", NULL};

    return execve("/bin/true", arguments, NULL);
}

static long make_child(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        syscall(SYS_exit_group, 0);
    return pid;
}

/* The process may have been inside of malloc(), which holds a lock, when the call was made. */
#ifdef __GLIBC__
static _Thread_local int is_in_malloc;

void *__libc_malloc(size_t size);

void *malloc(size_t size)
{
    if (is_in_malloc) {
        atomic_store(&cell->result, ENTERED_MALLOC);
        atomic_store(&cell->is_done, 1);
    }
    return __libc_malloc(size);
}

static void set_in_malloc(int is_inside)
{
    is_in_malloc = is_inside;
}
#else
static void set_in_malloc(int is_inside)
{
    (void)is_inside;
}
#endif

static long carry_out(int order)
{
    switch (order) {
    case OPEN:
        return open("/proc/self/root/bin/true", O_RDONLY);
    case WRITE:
        return open("/tmp/pop3.proxy-escape", O_WRONLY | O_CREAT, 0600);
    case EXECUTE:
        return execute();
    case FORK:
        return make_child();
    case KILL:
        return kill(getppid(), 0);
    case UNIX_SOCKET:
        return socket(AF_UNIX, SOCK_STREAM, 0);
    case RAW_SOCKET:
        return socket(AF_INET, SOCK_RAW, 1);
    case BPF:
        return syscall(SYS_bpf, 0, NULL, 0);
    case IO_URING:
        return syscall(425, 4, NULL); /* io_uring_setup */
    case UNSHARE:
        return syscall(SYS_unshare, 0x10000000); /* a user namespace */
    case PRIVILEGES:
        return syscall(SYS_setuid, 0);
    default:
        return 0;
    }
}

static void obey(void)
{
    int order;

    if (cell == NULL || atomic_load(&cell->order) == 0 || atomic_load(&cell->pid) != getpid())
        return;
    order = atomic_exchange(&cell->order, 0);
    set_in_malloc(1);
    atomic_store(&cell->result, (int32_t)carry_out(order));
    atomic_store(&cell->error, errno);
    set_in_malloc(0);
    atomic_store(&cell->is_done, 1);
}

/* ---- functions that every process calls now and then ---- */

#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL)                                                                              \
        *(void **)&real = dlsym(RTLD_NEXT, #name)

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int accepted;

    REAL(accept4);
    accepted = real(fd, address, length, flags);
    obey();
    return accepted;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    REAL(recvmsg);
    obey();
    return real(fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    REAL(sendmsg);
    obey();
    return real(fd, message, flags);
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    REAL(send);
    obey();
    return real(fd, data, length, flags);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    REAL(connect);
    obey();
    return real(fd, address, length);
}

/* ---- what a container may not permit ---- */

static void take_arguments(long arguments[6], va_list list)
{
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
}

int prctl(int option, ...)
{
    long a[6];
    va_list list;

    REAL(prctl);
    va_start(list, option);
    take_arguments(a, list);
    va_end(list);
    if (is_denied && option == PR_SET_SECCOMP) {
        errno = EPERM;
        return -1;
    }
    return real(option, a[0], a[1], a[2], a[3]);
}

long syscall(long number, ...)
{
    long a[6];
    va_list list;

    REAL(syscall);
    va_start(list, number);
    take_arguments(a, list);
    va_end(list);
    if (is_denied && number >= 444 && number <= 446) {
        errno = EPERM;
        return -1;
    }
    if (number == 444 && a[0] == 0 && landlock_version != 0)
        return landlock_version;
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- libseccomp ---- */

int seccomp_rule_add_array(void *context, uint32_t action, int number, unsigned count,
                           const void *comparisons);
int seccomp_rule_add_array(void *context, uint32_t action, int number, unsigned count,
                           const void *comparisons)
{
    int (*real)(void *, uint32_t, int, unsigned, const void *);

    if (getenv("ESCAPE_REFUSE") != NULL)
        return -EINVAL;
    *(void **)&real = dlsym(RTLD_NEXT, "seccomp_rule_add_array");
    return real(context, action, number, count, comparisons);
}
