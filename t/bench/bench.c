/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs of the benchmark share; see bench.h. Every failure here ends the program: a
 * benchmark that continues with half of its task measures something else.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn void bench_die(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

_Noreturn void bench_die_errno(const char *what)
{
    bench_die("%s: %s", what, strerror(errno));
}

uint64_t bench_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || number < min || number > max)
        bench_die("--%s %s: must be a number from %llu to %llu", option, text,
                  (unsigned long long)min, (unsigned long long)max);
    return number;
}

struct sockaddr_in bench_address(const char *option, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strrchr(text, ':');
    char host[INET_ADDRSTRLEN];

    if (!colon || (size_t)(colon - text) >= sizeof(host))
        bench_die("--%s %s: must be ADDRESS:PORT", option, text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        bench_die("--%s %s: %s is not an IPv4 address", option, text, host);
    address.sin_port = htons((uint16_t)bench_number(option, colon + 1, 0, UINT16_MAX));
    return address;
}

void *bench_alloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (!memory)
        bench_die_errno("calloc");
    return memory;
}

uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * BENCH_S + (uint64_t)now.tv_nsec;
}

int bench_listen(struct sockaddr_in *address, int backlog, bool nonblocking)
{
    socklen_t length = sizeof(*address);
    int type = SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);
    int fd = socket(AF_INET, type, 0);
    int one = 1;

    if (fd < 0)
        bench_die_errno("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        bench_die_errno("SO_REUSEADDR");
    bench_nodelay(fd);                  /* accepted sockets inherit it */
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        bench_die_errno("bind");
    if (listen(fd, backlog) < 0)
        bench_die_errno("listen");
    if (getsockname(fd, (struct sockaddr *)address, &length) < 0)
        bench_die_errno("getsockname");
    return fd;
}

void bench_nodelay(int fd)
{
    int one = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        bench_die_errno("TCP_NODELAY");
}

void bench_say_ready(const char *what, const struct sockaddr_in *address)
{
    char text[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
    printf("%s %s:%u\n", what, text, (unsigned)ntohs(address->sin_port));
    fflush(stdout);
}

void bench_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_die_errno("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_die_errno("setrlimit");
}

void bench_end_with_parent(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        bench_die_errno("prctl");
    if (getppid() == 1)
        bench_die("the parent process has ended");
}
