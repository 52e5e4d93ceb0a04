/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Escapes: in a child in each role of the sandbox, everything is tried that a process may do which
 * somebody has taken over. Each attempt has to end the child by SIGSYS, with the name of the call
 * told unless the kernel kills at once, or to fail. What the roles need for their work has to go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sandbox.h"

#include "config.h"

enum {
    TRUE_EXIT = 42, /* of a child whose attempt has succeeded */
    FAILED = 0,     /* of one whose attempt has failed */
};

static struct {
    char directory[64]; /* readable and writable by all */
    char readable[80];
    uint16_t open_port;  /* that a role may connect to */
    uint16_t other_port; /* that it may not */
    int listening;       /* a socket that all processes share */
    int log;             /* a file that all processes append to */
    void *shared;
    pid_t program; /* a process of the same user, in no sandbox */
} world;

/* ---- attempts: each returns whether it has succeeded ---- */

static bool is_good(long result)
{
    return result != -1;
}

static bool try_open(void)
{
    return is_good(open(world.readable, O_RDONLY));
}

static bool try_create(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/new", world.directory);
    return is_good(open(path, O_WRONLY | O_CREAT, 0600));
}

static bool try_open_to_write(void)
{
    return is_good(open(world.readable, O_WRONLY));
}

static bool try_open_to_truncate(void)
{
    return is_good(open(world.readable, O_RDONLY | O_TRUNC));
}

static bool try_open_to_do_both(void)
{
    return is_good(open(world.readable, O_RDWR));
}

/* The environment of an access control program holds a password. */
static bool try_environment(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)world.program);
    return is_good(open(path, O_RDONLY));
}

static bool try_own_memory(void)
{
    return is_good(open("/proc/self/mem", O_RDWR));
}

static bool try_rename(void)
{
    return is_good(rename(world.readable, "/tmp/pop3.proxy-renamed"));
}

static bool try_unlink(void)
{
    return is_good(unlink(world.readable));
}

static bool try_link(void)
{
    return is_good(symlink("/etc/passwd", "/tmp/pop3.proxy-link"));
}

static bool try_memfd(void)
{
    return is_good(memfd_create("x", 0));
}

static bool try_exec(void)
{
    char *const arguments[] = {(char *)(uintptr_t)"true", NULL};

    return is_good(execve("/bin/true", arguments, NULL));
}

static bool try_exec_by_descriptor(void)
{
    char *const arguments[] = {(char *)(uintptr_t)"true", NULL};

    return is_good(syscall(SYS_execveat, 0, "", arguments, NULL, AT_EMPTY_PATH));
}

/* A child that it makes must not go on with the tests. */
static bool try_clone(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    return is_good(pid);
}

static bool try_clone3(void)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));

    if (pid == 0)
        _exit(0);
    return is_good(pid);
}

static bool try_kill(void)
{
    return is_good(kill(getppid(), 0));
}

static bool try_signal_thread(void)
{
    return is_good(syscall(SYS_tgkill, getppid(), getppid(), SIGCONT));
}

static bool try_pidfd(void)
{
    return is_good(syscall(SYS_pidfd_open, getppid(), 0));
}

static bool try_ptrace(void)
{
    return is_good(syscall(SYS_ptrace, 16L /* attach */, (long)getppid(), 0L, 0L));
}

static bool try_read_memory(void)
{
    char octet;
    struct iovec here = {&octet, 1};
    struct iovec there = {&world, 1};

    return is_good(syscall(SYS_process_vm_readv, getppid(), &here, 1, &there, 1, 0));
}

static bool try_write_memory(void)
{
    char octet = 0;
    struct iovec here = {&octet, 1};
    struct iovec there = {&world, 1};

    return is_good(syscall(SYS_process_vm_writev, getppid(), &here, 1, &there, 1, 0));
}

static bool try_stop_following(void)
{
    return is_good(syscall(SYS_rt_sigaction, SIGSYS, NULL, NULL, 8));
}

/* The kernel takes the number as an int, and ignores the upper half of the register. */
static bool try_stop_following_by_half(void)
{
    return is_good(syscall(SYS_rt_sigaction, (1L << 32) | SIGSYS, NULL, NULL, 8));
}

static bool try_move_stack_of_signals(void)
{
    const stack_t none = {.ss_flags = SS_DISABLE};

    return is_good(sigaltstack(&none, NULL));
}

/* The kernel signals the owner of a descriptor. */
static bool try_own(void)
{
    int pair[2];

    return is_good(pipe2(pair, O_CLOEXEC)) && is_good(fcntl(pair[0], F_SETOWN, getppid()));
}

static bool try_own_signal(void)
{
    return is_good(fcntl(world.listening, F_SETSIG, SIGKILL));
}

static bool try_own_async(void)
{
    return is_good(fcntl(world.listening, F_SETFL, O_ASYNC | O_NONBLOCK));
}

/* ---- what all processes share ---- */

static bool try_block_log(void)
{
    return is_good(fcntl(world.log, F_SETFL, O_APPEND));
}

static bool try_block_log_by_ioctl(void)
{
    int off = 0;

    return is_good(ioctl(world.log, FIONBIO, &off));
}

static bool try_rewrite_log(void)
{
    return is_good(fcntl(world.log, F_SETFL, O_NONBLOCK)) && is_good(lseek(world.log, 0, SEEK_SET)) &&
           is_good(write(world.log, "lie", 3));
}

static bool set(int level, int name, int value)
{
    return is_good(setsockopt(world.listening, level, name, &value, sizeof(value)));
}

static bool try_hop_limit(void)
{
    return set(IPPROTO_IP, IP_TTL, 1);
}

static bool try_least_hops(void)
{
    return set(IPPROTO_IP, IP_MINTTL, 255);
}

static bool try_lock_filter(void)
{
    return set(SOL_SOCKET, SO_LOCK_FILTER, 1);
}

static bool try_congestion(void)
{
    return is_good(setsockopt(world.listening, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
}

/* ---- the network ---- */

static struct sockaddr_in at_port(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool connect_to(uint16_t port)
{
    struct sockaddr_in to = at_port(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return is_good(fd) && is_good(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static bool try_other_port(void)
{
    return connect_to(world.other_port);
}

/* Landlock does not see a connection that begins with data. */
static bool try_data_first(void)
{
    struct sockaddr_in to = at_port(world.other_port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return is_good(fd) &&
           is_good(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)));
}

static struct msghdr message_to(struct sockaddr_in *to, struct iovec *octets)
{
    *to = at_port(world.other_port);
    return (struct msghdr){
        .msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = octets, .msg_iovlen = 1};
}

static bool try_message_first(void)
{
    struct sockaddr_in to;
    struct iovec octets = {(char[1]){'x'}, 1};
    struct msghdr message = message_to(&to, &octets);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return is_good(fd) && is_good(sendmsg(fd, &message, MSG_FASTOPEN));
}

static bool try_messages_first(void)
{
    struct sockaddr_in to;
    struct iovec octets = {(char[1]){'x'}, 1};
    struct mmsghdr message = {.msg_hdr = message_to(&to, &octets)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return is_good(fd) && is_good(sendmmsg(fd, &message, 1, MSG_FASTOPEN));
}

/* One end of such a pair can send to every UNIX socket that takes datagrams. */
static bool try_datagram_pair(void)
{
    int pair[2];

    return is_good(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
}

static bool try_listen(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return is_good(fd) && is_good(bind(fd, (struct sockaddr *)&at, sizeof(at))) &&
           is_good(listen(fd, 1));
}

static bool try_multipath(void)
{
    return is_good(socket(AF_INET, SOCK_STREAM, 262));
}

static bool try_unix(void)
{
    return is_good(socket(AF_UNIX, SOCK_STREAM, 0));
}

static bool try_datagram(void)
{
    return is_good(socket(AF_INET, SOCK_DGRAM, 0));
}

static bool try_raw(void)
{
    return is_good(socket(AF_INET, SOCK_RAW, 1));
}

static bool try_packet(void)
{
    return is_good(socket(AF_PACKET, SOCK_RAW, 0));
}

static bool try_netlink(void)
{
    return is_good(socket(AF_NETLINK, SOCK_RAW, 0));
}

static bool try_vsock(void)
{
    return is_good(socket(40, SOCK_STREAM, 0));
}

static bool try_bpf(void)
{
    return is_good(syscall(SYS_bpf, 0, world.directory, 32)) || errno != ENOSYS;
}

static bool try_io_uring(void)
{
    char parameters[256] = {0};

    return is_good(syscall(425, 4, parameters));
}

static bool try_userfaultfd(void)
{
    return is_good(syscall(SYS_userfaultfd, 1));
}

static bool try_keyctl(void)
{
    return is_good(syscall(SYS_keyctl, 0, -3, 1));
}

static bool try_perf(void)
{
    char attributes[128] = {1};

    return is_good(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
}

static bool try_unshare(void)
{
    return is_good(unshare(CLONE_NEWUSER));
}

static bool try_setns(void)
{
    return is_good(setns(0, 0)) || errno == EINVAL;
}

static bool try_mount(void)
{
    return is_good(syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, NULL));
}

static bool try_chroot(void)
{
    return is_good(syscall(SYS_chroot, world.directory));
}

static bool try_setuid(void)
{
    return is_good(syscall(SYS_setuid, 1));
}

static bool try_setgroups(void)
{
    gid_t group = 1;

    return is_good(syscall(SYS_setgroups, 1, &group));
}

static bool try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
}

static bool try_code_later(void)
{
    return is_good(mprotect(world.shared, 4096, PROT_READ | PROT_EXEC));
}

static bool try_dump(void)
{
    return is_good(prctl(PR_SET_DUMPABLE, 1));
}

static bool try_core(void)
{
    struct rlimit limit = {0, 0};

    return is_good(setrlimit(RLIMIT_CORE, &limit));
}

static bool try_type(void)
{
    return is_good(ioctl(0, TIOCSTI, "x"));
}

static bool try_module(void)
{
    return is_good(syscall(SYS_finit_module, 0, "", 0)) || errno != EPERM;
}

static bool try_clock(void)
{
    struct timespec now = {0, 0};

    return is_good(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
}

static bool try_shared_memory(void)
{
    return is_good(syscall(SYS_shmget, 0, 4096, 01600));
}

static bool try_steal_descriptor(void)
{
    return is_good(syscall(SYS_pidfd_getfd, 0, 0, 0)) || errno == EBADF;
}

static bool try_handle(void)
{
    char handle[64] = {8};
    int mount;

    return is_good(syscall(SYS_name_to_handle_at, AT_FDCWD, world.readable, handle, &mount, 0)) ||
           errno != ENOSYS;
}

#ifdef SYS_iopl
static bool try_machine_ports(void)
{
    return is_good(syscall(SYS_iopl, 0));
}
#endif

static bool try_kexec(void)
{
    return is_good(syscall(SYS_kexec_load, 0, 0, NULL, 0)) || errno == EPERM;
}

#ifdef __x86_64__
static bool try_other_interface(void)
{
    return is_good(syscall(0x40000000 | SYS_getpid)) || errno == ENOSYS;
}
#endif

#define AT_ONCE     (1U << 31) /* instead of roles: the kernel kills, and nobody learns the call's name */
#define ROLE(name)  (1U << SANDBOX_##name)
#define HELPERS     (ROLE(HELPER) | ROLE(HELPER_HTTP))
#define READING     (HELPERS | ROLE(STATUS)) /* Landlock says what */
#define CONNECTING  (ROLE(WORKER_ONE) | ROLE(WORKER_MANY) | ROLE(SESSION) | ROLE(CHECK))

/* What is tried; where it is not dangerous but a part of the role's work, `allowed` says so. The rest
 * is to end the child, or, where `failing` has the role, to fail: Landlock, or ENOSYS. */
static const struct attempt {
    const char *name;
    bool (*run)(void);
    unsigned failing;
    unsigned allowed;
} attempts[] = {
    {"open a file", try_open, READING, 0},
    {"create a file", try_create, ROLE(HELPER_HTTP), 0},
    {"remove a file", try_unlink, 0, 0},
    {"rename a file", try_rename, 0, 0},
    {"open a file to write", try_open_to_write, ROLE(HELPER_HTTP), 0},
    {"open a file to read and write", try_open_to_do_both, ROLE(HELPER_HTTP), 0},
    {"open a file to truncate", try_open_to_truncate, ROLE(HELPER_HTTP), 0},
    {"read another's environment", try_environment, READING, 0},
    {"write its own memory as a file", try_own_memory, ROLE(HELPER_HTTP), 0},
    {"make a link", try_link, 0, 0},
    {"make a file in memory", try_memfd, 0, 0},
    {"execute a program", try_exec, 0, 0},
    {"execute an open file", try_exec_by_descriptor, 0, 0},
    {"fork", try_clone, 0, 0},
    {"fork by clone3", try_clone3, ROLE(HELPER_HTTP), 0},
    {"signal another process", try_kill, 0, 0},
    {"signal another thread", try_signal_thread, 0, 0},
    {"open another process", try_pidfd, 0, 0},
    {"trace another process", try_ptrace, AT_ONCE, 0},
    {"read another's memory", try_read_memory, AT_ONCE, 0},
    {"write another's memory", try_write_memory, AT_ONCE, 0},
    {"hide a forbidden call", try_stop_following, 0, 0},
    {"the same by half a register", try_stop_following_by_half, 0, 0},
    {"move the stack of signals", try_move_stack_of_signals, AT_ONCE, 0},
    {"have a descriptor signal another process", try_own, ROLE(STATUS), 0},
    {"have it send another signal", try_own_signal, 0, 0},
    {"have it signal at all", try_own_async, ~0U, 0},
    {"let the log block", try_block_log, ~0U, 0},
    {"let the log block by ioctl", try_block_log_by_ioctl, ~0U, 0},
    {"rewrite the log", try_rewrite_log, ~0U, HELPERS},
    {"lower the hop limit of a listening socket", try_hop_limit, ~0U, 0},
    {"have it take near peers only", try_least_hops, ~0U, 0},
    {"lock its filter", try_lock_filter, ~0U, 0},
    {"slow it down", try_congestion, ~0U, 0},
    {"connect by sending data", try_data_first, 0, 0},
    {"connect by sending a message", try_message_first, 0, 0},
    {"connect by sending messages", try_messages_first, CONNECTING, 0},
    {"a pair of datagram sockets", try_datagram_pair, 0, 0},
    {"connect to another port", try_other_port, CONNECTING, HELPERS},
    {"listen", try_listen, CONNECTING | HELPERS, 0},
    {"multipath TCP, which Landlock misses", try_multipath, ~0U, 0},
    {"connect to a UNIX socket", try_unix, 0, HELPERS},
    {"send a datagram", try_datagram, CONNECTING, HELPERS},
    {"a raw socket", try_raw, 0, 0},
    {"a packet socket", try_packet, 0, 0},
    {"a netlink socket", try_netlink, 0, ROLE(HELPER_HTTP)},
    {"a socket of the hypervisor", try_vsock, 0, 0},
    {"bpf", try_bpf, AT_ONCE, 0},
    {"io_uring", try_io_uring, AT_ONCE, 0},
    {"userfaultfd", try_userfaultfd, AT_ONCE, 0},
    {"the keyring", try_keyctl, AT_ONCE, 0},
    {"perf", try_perf, AT_ONCE, 0},
    {"a new user namespace", try_unshare, AT_ONCE, 0},
    {"another namespace", try_setns, AT_ONCE, 0},
    {"mount", try_mount, AT_ONCE, 0},
    {"chroot", try_chroot, 0, 0},
    {"another user", try_setuid, 0, 0},
    {"another group", try_setgroups, 0, 0},
    {"write code", try_code, 0, 0},
    {"make data code", try_code_later, 0, ROLE(HELPER_HTTP)},
    {"be dumpable", try_dump, ~0U, 0},
    {"change a limit", try_core, ~0U, 0},
    {"type into a terminal", try_type, 0, 0},
    {"load a module", try_module, AT_ONCE, 0},
    {"set the clock", try_clock, AT_ONCE, 0},
    {"steal a descriptor of another process", try_steal_descriptor, AT_ONCE, 0},
    {"open a file by its handle", try_handle, AT_ONCE, 0},
#ifdef SYS_iopl
    {"ports of the machine", try_machine_ports, AT_ONCE, 0},
#endif
    {"a kernel to come", try_kexec, AT_ONCE, 0},
#ifdef __x86_64__
    {"a call of another interface", try_other_interface, AT_ONCE, 0},
#endif
    {"System V memory", try_shared_memory, 0, 0},
};
enum { ATTEMPTS = sizeof(attempts) / sizeof(attempts[0]) };

/* ---- the children ---- */

static struct sandbox_view view_of(void)
{
    struct sandbox_view view = {.has_ports = true};

    sandbox_view_add_port(&view, world.open_port);
    return view;
}

static struct sandbox_view view_of_role(enum sandbox_role role)
{
    struct sandbox_view view = view_of();

    view.has_ports = (HELPERS & (1U << role)) == 0;
    if (role == SANDBOX_STATUS)
        sandbox_view_add(&view, "/proc", false);
    return view;
}

static pid_t begin(enum sandbox_role role, bool (*run)(void))
{
    pid_t pid = fork();
    struct sandbox_view view = view_of_role(role);
    struct error error;

    assert_int_not_equal(pid, -1);
    if (pid != 0)
        return pid;
    if (sandbox_enter(role, &view, &error) == -1)
        _exit(1);
    _exit(run() ? TRUE_EXIT : FAILED);
}

static int end(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* In a build with checks an unknown call ends the process as a dangerous one does. */
static bool is_stopped(int status, bool may_fail)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS;
    return may_fail && WIFEXITED(status) && WEXITSTATUS(status) == FAILED;
}

static struct {
    unsigned ended;
    unsigned failed;
    unsigned wrong;
} count;

static void wrong(enum sandbox_role role, const struct attempt *attempt, int status, const char *what)
{
    print_error("%s: %s: %s, status 0x%x\n", sandbox_role_word(role), attempt->name, what,
                (unsigned)status);
    count.wrong++;
}

static void escape(enum sandbox_role role, const struct attempt *attempt)
{
    pid_t pid = begin(role, attempt->run);
    int status = end(pid);
    char call[SANDBOX_CALL_SIZE] = "";
    bool is_told = sandbox_take_call(pid, status, call) && call[0] != '\0';
    bool is_killed = attempt->failing == AT_ONCE;

    if ((attempt->allowed & (1U << role)) != 0)
        return;
    if (!is_stopped(status, (attempt->failing & (1U << role)) != 0))
        wrong(role, attempt, status, "is not stopped");
    else if (WIFSIGNALED(status) && is_told == is_killed)
        wrong(role, attempt, status, is_killed ? "is not killed at once" : "the call is not named");
    count.ended += WIFSIGNALED(status);
    count.failed += !WIFSIGNALED(status);
}

static void test_escapes(void **state)
{
    (void)state;
    for (int role = 0; role < SANDBOX_ROLE_COUNT; role++)
        for (size_t i = 0; i < ATTEMPTS; i++)
            escape((enum sandbox_role)role, &attempts[i]);
    print_message("# %u attempts ended the process, %u failed\n", count.ended, count.failed);
    assert_int_equal(count.wrong, 0);
}

static void test_a_call_is_named(void **state)
{
    pid_t pid = begin(SANDBOX_WORKER_ONE, try_exec);
    int status = end(pid);
    char call[SANDBOX_CALL_SIZE];

    (void)state;
    assert_true(sandbox_take_call(pid, status, call));
    assert_string_equal(call, "execve");
    assert_true(sandbox_take_call(pid, status, call));
    assert_string_equal(call, "");
}

static void test_a_kill_is_told(void **state)
{
    char text[SANDBOX_END_SIZE];
    pid_t pid = begin(SANDBOX_CHECK, try_ptrace);
    int status = end(pid);

    (void)state;
    assert_string_equal(sandbox_end_text(SANDBOX_CHECK, pid, status, text),
                        "signal 31, role=check call=-: it made a call that no part of this program makes");
    pid = begin(SANDBOX_CHECK, try_exec);
    status = end(pid);
    assert_string_equal(sandbox_end_text(SANDBOX_CHECK, pid, status, text),
                        "signal 31, role=check call=execve: its sandbox forbids this system call");
}

/* ---- what goes on ---- */

static bool work(void)
{
    int pair[2];
    char *memory = malloc(1 << 20);

    if (memory == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
        return false;
    memset(memory, 1, 1 << 20);
    free(memory);
    return write(pair[0], "x", 1) == 1 && read(pair[1], memory = (char[1]){0}, 1) == 1 &&
           connect_to(world.open_port);
}

static void test_work_goes_on(void **state)
{
    static const enum sandbox_role roles[] = {SANDBOX_WORKER_ONE, SANDBOX_WORKER_MANY,
                                              SANDBOX_SESSION, SANDBOX_CHECK, SANDBOX_HELPER};

    (void)state;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        int status = end(begin(roles[i], work));

        if (!WIFEXITED(status) || WEXITSTATUS(status) != TRUE_EXIT)
            fail_msg("%s: status %d", sandbox_role_word(roles[i]), status);
    }
}

/* The helper closes what a worker has passed to it, and must not wait for that. */
static bool end_lingering(void)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return is_good(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
}

static void test_helper_ends_lingering(void **state)
{
    int status = end(begin(SANDBOX_HELPER, end_lingering));

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), TRUE_EXIT);
}

/* A report that needs the signal of abort() gets that signal. */
static bool run_abort(void)
{
    abort();
}

static void test_abort(void **state)
{
    int status = end(begin(SANDBOX_WORKER_ONE, run_abort));

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static bool read_seen(void)
{
    return is_good(open(world.readable, O_RDONLY)) && !is_good(open("/etc/passwd", O_RDONLY));
}

/* As the client log does it, and not elsewhere. */
static bool write_seen(void)
{
    char path[128], moved[128];

    snprintf(path, sizeof(path), "%s/new", world.directory);
    snprintf(moved, sizeof(moved), "%s/moved", world.directory);
    return is_good(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) && is_good(rename(path, moved)) &&
           is_good(unlink(moved)) && !is_good(open("/tmp/pop3.proxy-new", O_WRONLY | O_CREAT, 0600));
}

static void see(bool is_writable, bool (*run)(void))
{
    struct sandbox_view view = {0};
    struct error error;
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        sandbox_view_add(&view, world.directory, is_writable);
        _exit(sandbox_enter(SANDBOX_HELPER, &view, &error) == 0 && run() ? TRUE_EXIT : FAILED);
    }
    status = end(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), TRUE_EXIT);
}

static void test_a_file_that_is_seen(void **state)
{
    (void)state;
    see(false, read_seen);
}

static void test_a_directory_to_write_to(void **state)
{
    (void)state;
    see(true, write_seen);
}

/* A part that worked in the trial is not left out in silence. */
static void test_a_part_that_fails_later(void **state)
{
    const struct rlimit none = {0, 0};
    struct sandbox_view view = view_of();
    struct error error;
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        bool has_entered = setrlimit(RLIMIT_NOFILE, &none) == -1 ||
                           sandbox_enter(SANDBOX_WORKER_ONE, &view, &error) == 0;

        _exit(!has_entered && strstr(error.text, "Landlock") != NULL ? TRUE_EXIT : FAILED);
    }
    status = end(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), TRUE_EXIT);
}

/* Nonsense in the shared memory is shown as nonsense, and the process that shows it goes on. */
static void test_without_a_report(void **state)
{
    char call[SANDBOX_CALL_SIZE];

    (void)state;
    assert_true(sandbox_take_call(getpid(), SIGSYS, call));
    assert_string_equal(call, "");
    assert_false(sandbox_take_call(getpid(), SIGKILL, call));
    assert_false(sandbox_take_call(getpid(), 0, call));
}

/* ---- the world ---- */

static uint16_t listen_somewhere(int *fd_r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *)&at, size) == -1 || listen(fd, 128) == -1 ||
        getsockname(fd, (struct sockaddr *)&at, &size) == -1)
        return 0;
    *fd_r = fd;
    return ntohs(at.sin_port);
}

/* Without capabilities, as the access control program of a server that root has started. */
static pid_t start_program(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    int ready[2];
    pid_t pid = pipe(ready) == -1 ? -1 : fork();
    char octet;

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!write(ready[1], "", syscall(SYS_capset, &header, none) == 0);
        for (;;)
            pause();
    }
    return pid == -1 || read(ready[0], &octet, 1) != 1 ? -1 : pid;
}

static int set_up(void **state)
{
    struct error error;
    int fd, other;

    (void)state;
    snprintf(world.directory, sizeof(world.directory), "/tmp/pop3.proxy-sandbox.XXXXXX");
    if (mkdtemp(world.directory) == NULL)
        return -1;
    snprintf(world.readable, sizeof(world.readable), "%s/readable", world.directory);
    fd = open(world.readable, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    world.log = open(world.readable, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);
    world.open_port = listen_somewhere(&world.listening);
    world.other_port = listen_somewhere(&other);
    world.program = start_program();
    world.shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return fd == -1 || close(fd) == -1 || world.log == -1 || world.program == -1 || world.open_port == 0 || world.other_port == 0 ||
                   sandbox_prepare(SANDBOX_REQUIRE, &error) == -1
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)kill(world.program, SIGKILL);
    (void)unlink(world.readable);
    return rmdir(world.directory);
}

static bool is_possible(void)
{
    struct error error;

#ifdef WITH_INSTRUMENTS
    return false;
#endif
    return sandbox_has_seccomp() && sandbox_prepare(SANDBOX_REQUIRE, &error) == 0 &&
           sandbox_landlock_abi() >= 6;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),          cmocka_unit_test(test_a_call_is_named),
        cmocka_unit_test(test_a_kill_is_told),
        cmocka_unit_test(test_work_goes_on),     cmocka_unit_test(test_abort),
        cmocka_unit_test(test_a_file_that_is_seen), cmocka_unit_test(test_a_directory_to_write_to),
        cmocka_unit_test(test_without_a_report),
        cmocka_unit_test(test_a_part_that_fails_later), cmocka_unit_test(test_helper_ends_lingering),
    };

    if (!is_possible()) {
        puts("1..0 # SKIP a sanitizer, or a kernel without the newest Landlock or seccomp");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
