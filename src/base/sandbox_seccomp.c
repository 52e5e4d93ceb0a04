/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters of system calls, compiled by libseccomp in the parent and loaded in the child. Without the
 * library there are none, and what the rest of the sandbox can do remains.
 */
#include <errno.h>

#include "base/sandbox_parts.h"

#ifdef HAVE_SECCOMP

#include <fcntl.h>
#include <linux/audit.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sandbox_names.h"

enum {
    OWN_PROCESS = 0x7ffe5afe, /* no process has this id; each one that loads the filter puts its own in */
    SOCKET_TYPE = 0xf,        /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
    PROTOCOL_DEFAULT = 0,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    NAME_OF_MEMORY = 0x53564d41, /* PR_SET_VMA, by which the C library names its memory */
    OPTIMIZE_BY_TREE = 2,
};

/* The kernel takes many arguments as an int and ignores the upper half of the register, which
 * somebody who makes the call by hand can fill. Here it is ignored too; this is also the shorter code. */
#define INT_IS(argument, value) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value))
#define BITS_ARE(argument, bits, value) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, bits, value)

#define SCMP_CLONE_THREAD 0x00010000
#define SCMP_CLONE_VM     0x00000100

/*
 * What is neither allowed nor dangerous. A release answers ENOSYS, because another C library may try
 * a call and have another way. In a build with checks it kills, so that the tests find calls that
 * the table has forgotten. Sanitizers make many calls of their own.
 */
#if defined(WITH_INSTRUMENTS)
#define OTHER_CALLS SCMP_ACT_ALLOW
#elif defined(WITH_CHECKS)
#define OTHER_CALLS SCMP_ACT_TRAP
#else
#define OTHER_CALLS SCMP_ACT_ERRNO(ENOSYS)
#endif

struct making {
    scmp_filter_ctx context;
    unsigned groups;
    int error; /* the first one, as libseccomp returns it */
    const char *failed;
};

/* What sanitizers do: they read /proc, and look for leaks in a process of their own. */
static bool is_for_instruments(const char *name)
{
#ifdef WITH_INSTRUMENTS
    static const char *const names[] = {"open", "openat", "clone",  "clone3", "fork",     "ptrace",
                                        "kill", "tkill",  "tgkill", "mmap",   "mprotect", "sigaltstack"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
#endif
    (void)name;
    return false;
}

static void add_rule(struct making *making, uint32_t action, const char *name, unsigned count,
                     const struct scmp_arg_cmp *comparisons)
{
    int number = seccomp_syscall_resolve_name(name);
    int result;

    /* A processor, or an older library, does not have it: then nobody calls it. */
    if (number < 0 || action == OTHER_CALLS || is_for_instruments(name) || making->error != 0)
        return;
    result = seccomp_rule_add_array(making->context, action, number, count, comparisons);
    if (result == 0)
        return;
    making->error = result;
    making->failed = name;
}

static void allow(struct making *making, const char *name)
{
    add_rule(making, SCMP_ACT_ALLOW, name, 0, NULL);
}

static void forbid(struct making *making, const char *name)
{
    add_rule(making, SCMP_ACT_TRAP, name, 0, NULL);
}

static void allow_if(struct making *making, const char *name, struct scmp_arg_cmp comparison)
{
    add_rule(making, SCMP_ACT_ALLOW, name, 1, &comparison);
}

static void forbid_if(struct making *making, const char *name, struct scmp_arg_cmp comparison)
{
    add_rule(making, SCMP_ACT_TRAP, name, 1, &comparison);
}

static bool has(const struct making *making, unsigned groups)
{
    return (making->groups & groups) != 0;
}

/* ---- calls that depend on their arguments ---- */

/* Memory becomes code only where libraries may be loaded, and then not while it is writable. */
static void add_memory(struct making *making, bool may_map_code)
{
    static const char *const calls[] = {"mmap", "mmap2", "mprotect"};
    const scmp_datum_t code = PROT_EXEC;
    const scmp_datum_t both = PROT_EXEC | PROT_WRITE;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        allow_if(making, calls[i], SCMP_A2(SCMP_CMP_MASKED_EQ, code, 0));
        if (may_map_code)
            allow_if(making, calls[i], SCMP_A2(SCMP_CMP_MASKED_EQ, both, code));
        forbid_if(making, calls[i],
                  may_map_code ? SCMP_A2(SCMP_CMP_MASKED_EQ, both, both)
                               : SCMP_A2(SCMP_CMP_MASKED_EQ, code, code));
    }
}

/* Only these protocols: Landlock would not see a connection of multipath TCP. */
static void allow_socket(struct making *making, int family, int type, int protocol)
{
    const struct scmp_arg_cmp comparisons[] = {
        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family),
        SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE, (scmp_datum_t)type),
        SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)protocol),
    };

    add_rule(making, SCMP_ACT_ALLOW, "socket", 3, comparisons);
}

static void allow_internet(struct making *making, int type, int protocol)
{
    static const int families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < 2; i++) {
        allow_socket(making, families[i], type, PROTOCOL_DEFAULT);
        allow_socket(making, families[i], type, protocol);
    }
}

static bool has_family(const struct making *making, int family)
{
    if (family == AF_UNIX)
        return has(making, SANDBOX_GROUP_TABLES | SANDBOX_GROUP_SYSLOG);
    if (family == AF_NETLINK)
        return has(making, SANDBOX_GROUP_THREADS);
    return (family == AF_INET || family == AF_INET6) &&
           has(making, SANDBOX_GROUP_CONNECT | SANDBOX_GROUP_DATAGRAM);
}

/* A family that the role has, but with another type or protocol: ENOSYS, except raw sockets. */
static void forbid_sockets(struct making *making)
{
    enum { HIGHEST = AF_NETLINK };

    for (int family = 0; family <= HIGHEST; family++) {
        const struct scmp_arg_cmp raw[] = {
            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family),
            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE, SOCK_RAW),
        };

        if (!has_family(making, family))
            forbid_if(making, "socket", SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
        else if (family != AF_NETLINK)
            add_rule(making, SCMP_ACT_TRAP, "socket", 2, raw);
    }
    forbid_if(making, "socket", SCMP_A0(SCMP_CMP_GT, HIGHEST));
}

static void add_sockets(struct making *making)
{
    if (has(making, SANDBOX_GROUP_CONNECT))
        allow_internet(making, SOCK_STREAM, PROTOCOL_TCP);
    if (has(making, SANDBOX_GROUP_DATAGRAM))
        allow_internet(making, SOCK_DGRAM, PROTOCOL_UDP);
    if (has(making, SANDBOX_GROUP_TABLES))
        allow_socket(making, AF_UNIX, SOCK_STREAM, PROTOCOL_DEFAULT);
    if (has(making, SANDBOX_GROUP_SYSLOG))
        allow_socket(making, AF_UNIX, SOCK_DGRAM, PROTOCOL_DEFAULT);
    if (has(making, SANDBOX_GROUP_THREADS)) /* getaddrinfo() asks for the machine's addresses */
        allow_socket(making, AF_NETLINK, SOCK_RAW, PROTOCOL_DEFAULT);
    forbid_sockets(making);
}

/* A pair of connected sockets cannot be connected to another one, but a datagram socket can, and sends
 * to every UNIX socket that takes datagrams. */
static void add_pairs(struct making *making)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

    for (size_t i = 0; i < 2 && has(making, SANDBOX_GROUP_ASK | SANDBOX_GROUP_THREADS); i++) {
        const struct scmp_arg_cmp pair[] = {
            SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE, (scmp_datum_t)types[i]),
        };

        add_rule(making, SCMP_ACT_ALLOW, "socketpair", 2, pair);
    }
    forbid_if(making, "socketpair", SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    forbid_if(making, "socketpair", SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE, SOCK_DGRAM));
}

/* A connection that begins with data (TCP Fast Open) is one that Landlock does not see. */
static void add_sending(struct making *making)
{
    static const struct {
        const char *name;
        unsigned flags; /* the argument */
        unsigned groups;
    } calls[] = {
        {"sendto", 3, SANDBOX_GROUP_COMMON},
        {"sendmsg", 2, SANDBOX_GROUP_COMMON},
        {"sendmmsg", 3, SANDBOX_GROUP_DATAGRAM},
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (has(making, calls[i].groups))
            allow_if(making, calls[i].name, BITS_ARE(calls[i].flags, MSG_FASTOPEN, 0));
        forbid_if(making, calls[i].name, BITS_ARE(calls[i].flags, MSG_FASTOPEN, MSG_FASTOPEN));
    }
}

/* ---- descriptors ---- */

/*
 * All processes share the listening sockets, and the file that the log goes to. An option that shuts
 * clients out, or a flag that lets the master sleep, would reach beyond the process that sets it.
 * So each role has the options that it needs, and workers set no flags at all.
 */
static void add_options(struct making *making)
{
    static const struct {
        int level;
        int name;
        unsigned groups;
    } options[] = {
        {SOL_SOCKET, SO_RCVTIMEO, SANDBOX_GROUP_COMMON},
        {SOL_SOCKET, SO_SNDTIMEO, SANDBOX_GROUP_COMMON},
        {IPPROTO_TCP, TCP_NODELAY, SANDBOX_GROUP_COMMON},
        {IPPROTO_TCP, TCP_QUICKACK, SANDBOX_GROUP_COMMON},
        {SOL_SOCKET, SO_RCVBUF, SANDBOX_GROUP_CONNECT},
        {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, SANDBOX_GROUP_CONNECT},
        {SOL_SOCKET, SO_OOBINLINE, SANDBOX_GROUP_SPLICE},
        {IPPROTO_TCP, TCP_CORK, SANDBOX_GROUP_FLAGS},             /* libmicrohttpd */
        {SOL_SOCKET, SO_LINGER, SANDBOX_GROUP_DATAGRAM},          /* passed_close() */
        {SOL_SOCKET, SO_KEEPALIVE, SANDBOX_GROUP_DATAGRAM},       /* libcurl */
        {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, SANDBOX_GROUP_DATAGRAM}, /* c-ares; Landlock sees it */
        {IPPROTO_IP, IP_RECVERR, SANDBOX_GROUP_THREADS},          /* getaddrinfo() */
        {IPPROTO_IPV6, IPV6_RECVERR, SANDBOX_GROUP_THREADS},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const struct scmp_arg_cmp option[] = {INT_IS(1, options[i].level), INT_IS(2, options[i].name)};

        if (has(making, options[i].groups))
            add_rule(making, SCMP_ACT_ALLOW, "setsockopt", 2, option);
    }
}

/* With a descriptor that has an owner, the kernel would send a signal for the process. */
static void add_commands(struct making *making, const char *name)
{
    static const struct {
        int command;
        unsigned groups;
    } commands[] = {
        {F_GETFL, SANDBOX_GROUP_COMMON},        {F_GETFD, SANDBOX_GROUP_COMMON},
        {F_SETFD, SANDBOX_GROUP_COMMON},        {F_DUPFD_CLOEXEC, SANDBOX_GROUP_COMMON},
        {F_SETPIPE_SZ, SANDBOX_GROUP_SPLICE},   {F_GETPIPE_SZ, SANDBOX_GROUP_SPLICE},
    };
    static const int owning[] = {F_SETOWN, F_SETSIG, F_SETOWN_EX};
    const scmp_datum_t flags = O_NONBLOCK | O_ASYNC | O_DIRECT;
    const struct scmp_arg_cmp unblock[] = {INT_IS(1, F_SETFL), BITS_ARE(2, flags, O_NONBLOCK)};

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (has(making, commands[i].groups))
            allow_if(making, name, INT_IS(1, commands[i].command));
    for (size_t i = 0; i < sizeof(owning) / sizeof(owning[0]); i++)
        forbid_if(making, name, INT_IS(1, owning[i]));
    if (has(making, SANDBOX_GROUP_FLAGS))
        add_rule(making, SCMP_ACT_ALLOW, name, 2, unblock);
}

static void add_descriptors(struct making *making)
{
    add_options(making);
    add_commands(making, "fcntl");
    add_commands(making, "fcntl64");
}

/* ---- the process itself ---- */

/* glibc tries clone3() first, whose flags no filter can see, and after ENOSYS clone(). */
static void add_threads(struct making *making)
{
    const scmp_datum_t thread = SCMP_CLONE_THREAD | SCMP_CLONE_VM;

    if (!has(making, SANDBOX_GROUP_THREADS)) {
        forbid(making, "clone");
        forbid(making, "clone3");
        return;
    }
    allow_if(making, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
    forbid_if(making, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, SCMP_CLONE_THREAD, 0));
}

/* abort() sends a signal to the process itself. The handler of SIGSYS must stay what it is, because
 * it tells the master which call was forbidden. A signal with one of the lowest five bits clear is
 * another one. */
static void add_signals(struct making *making)
{
    enum { LOWEST = 5 };
    _Static_assert(SIGSYS == (1 << LOWEST) - 1, "no other signal up to SIGSYS has these bits");

    for (int bit = 0; bit < LOWEST; bit++)
        allow_if(making, "rt_sigaction", BITS_ARE(0, 1U << bit, 0));
    forbid_if(making, "rt_sigaction", INT_IS(0, SIGSYS));
    allow_if(making, "tgkill", SCMP_A0(SCMP_CMP_EQ, OWN_PROCESS));
    forbid_if(making, "tgkill", SCMP_A0(SCMP_CMP_NE, OWN_PROCESS));
}

/* Limits are read; a terminal is recognised, but nothing is typed into it. */
static void add_small_ones(struct making *making)
{
    allow_if(making, "prlimit64", SCMP_A2(SCMP_CMP_EQ, 0));
    allow_if(making, "prctl", SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    allow_if(making, "prctl", SCMP_A0(SCMP_CMP_EQ, NAME_OF_MEMORY));
    allow_if(making, "ioctl", SCMP_A1(SCMP_CMP_EQ, FIONREAD));
    if (has(making, SANDBOX_GROUP_STDIO))
        allow_if(making, "ioctl", SCMP_A1(SCMP_CMP_EQ, TCGETS));
    forbid_if(making, "ioctl", SCMP_A1(SCMP_CMP_EQ, TIOCSTI));
}

/* ---- files: Landlock says which ---- */

/*
 * A role that only reads can neither write to a file, nor make, nor truncate one. A library that it has
 * loaded may try to: then it is refused, as Landlock would do it.
 */
static void add_opening(struct making *making)
{
    static const struct {
        const char *name;
        unsigned flags; /* the argument */
    } calls[] = {{"open", 1}, {"openat", 2}};
    static const scmp_datum_t writing[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC};
    const scmp_datum_t any = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
    const uint32_t other = has(making, SANDBOX_GROUP_THREADS) ? SCMP_ACT_ERRNO(EACCES) : SCMP_ACT_TRAP;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const char *name = calls[i].name;

        if (has(making, SANDBOX_GROUP_WRITE_FILES))
            allow(making, name);
        else if (!has(making, SANDBOX_GROUP_READ_FILES))
            forbid(making, name);
        else
            allow_if(making, name, BITS_ARE(calls[i].flags, any, 0));
        for (size_t j = 0; has(making, SANDBOX_GROUP_READ_FILES) &&
                           !has(making, SANDBOX_GROUP_WRITE_FILES) && j < 4; j++) {
            const struct scmp_arg_cmp bit = BITS_ARE(calls[i].flags, writing[j], writing[j]);

            add_rule(making, other, name, 1, &bit);
        }
    }
}

/* fstat() is one of these calls without a path. */
static void add_states(struct making *making)
{
    if (has(making, SANDBOX_GROUP_READ_FILES)) {
        allow(making, "newfstatat");
        allow(making, "fstatat64");
        allow(making, "statx");
        return;
    }
    allow_if(making, "newfstatat", SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
    allow_if(making, "fstatat64", SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
    allow_if(making, "statx", SCMP_A2(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
}

/* ---- the table ---- */

static const struct {
    const char *name;
    unsigned groups;
    enum { FAILS, RAISES_SIGNAL, KILLS } otherwise; /* to roles that have none of the groups */
} calls[] = {
#define CALL(name, groups)   {#name, groups, FAILS},
#define DANGER(name, groups) {#name, groups, RAISES_SIGNAL},
#define NEVER(name)          {#name, NOBODY, KILLS},
#define PARTLY(name) /* add_all() */
#include "base/sandbox_calls.def"
#undef CALL
#undef DANGER
#undef NEVER
#undef PARTLY
};

/* Before Linux 4.14 a filter could only kill the thread. */
static uint32_t killing(void)
{
    enum { HAS_KILL_PROCESS = 3 };

    return seccomp_api_get() >= HAS_KILL_PROCESS ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_TRAP;
}

static void add_table(struct making *making)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (has(making, calls[i].groups))
            allow(making, calls[i].name);
        else if (calls[i].otherwise == KILLS)
            add_rule(making, killing(), calls[i].name, 0, NULL);
        else if (calls[i].otherwise == RAISES_SIGNAL)
            forbid(making, calls[i].name);
    }
}

/* ---- compiling ---- */

static int read_code(struct sandbox_filter *filter, int fd)
{
    struct stat status;
    ssize_t bytes;

    if (fstat(fd, &status) == -1)
        return -1;
    if ((size_t)status.st_size > sizeof(filter->code)) {
        errno = E2BIG;
        return -1;
    }
    bytes = pread(fd, filter->code, sizeof(filter->code), 0);
    if (bytes != status.st_size)
        return -1;
    filter->length = (unsigned short)((size_t)bytes / sizeof(*filter->code));
    return 0;
}

static int export(struct sandbox_filter *filter, scmp_filter_ctx context)
{
    int fd = memfd_create("sandbox", MFD_CLOEXEC);
    int result;

    if (fd == -1)
        return -1;
    result = seccomp_export_bpf(context, fd);
    if (result < 0)
        errno = -result;
    else
        result = read_code(filter, fd);
    if (result < 0)
        return file_close_failed(fd);
    close(fd);
    return 0;
}

static void add_all(struct making *making, bool may_map_code)
{
    add_table(making);
    add_memory(making, may_map_code);
    add_sockets(making);
    add_pairs(making);
    add_sending(making);
    add_descriptors(making);
    add_threads(making);
    add_signals(making);
    add_small_ones(making);
    add_opening(making);
    add_states(making);
}

int sandbox_filter_make(struct sandbox_filter *filter, unsigned groups, bool may_map_code,
                        struct error *error)
{
    struct making making = {.context = seccomp_init(OTHER_CALLS),
                            .groups = groups | SANDBOX_GROUP_COMMON};
    int result = -1;

    if (making.context == NULL)
        return error_set(error, "libseccomp cannot make a filter");
    (void)seccomp_attr_set(making.context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    (void)seccomp_attr_set(making.context, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_BY_TREE);
    add_all(&making, may_map_code);
    if (making.error != 0)
        error_set(error, "libseccomp refuses the rule for %s: %s", making.failed,
                  strerror(-making.error));
    else if (export(filter, making.context) == -1)
        error_set(error, "libseccomp cannot compile a filter: %s", strerror(errno));
    else
        result = 0;
    seccomp_release(making.context);
    return result;
}

/* ---- loading ---- */

int sandbox_filter_load(const struct sandbox_filter *filter)
{
    struct sock_filter code[SANDBOX_FILTER_MAX];
    struct sock_fprog program = {.len = filter->length, .filter = code};

    memcpy(code, filter->code, filter->length * sizeof(*code));
    for (size_t i = 0; i < filter->length; i++)
        if (BPF_CLASS(code[i].code) == BPF_JMP && code[i].k == OWN_PROCESS)
            code[i].k = (uint32_t)getpid();
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

bool sandbox_has_seccomp(void)
{
    return true;
}

#else

int sandbox_filter_make(struct sandbox_filter *filter, unsigned groups, bool may_map_code,
                        struct error *error)
{
    (void)filter;
    (void)groups;
    (void)may_map_code;
    return error_set(error, "this build has no libseccomp");
}

int sandbox_filter_load(const struct sandbox_filter *filter)
{
    (void)filter;
    errno = ENOSYS;
    return -1;
}

bool sandbox_has_seccomp(void)
{
    return false;
}

#endif
