/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor of the benchmark: a relay that does not look at what it passes on. Its cost is that of
 * the kernel; a proxy that understands POP3 can come near it but not below. There are two variants
 * for the two ways to wait: "blocking" is a preforked pool with one session at a time in a process,
 * which forks more processes while fewer than --workers are idle; "event" is one process with
 * epoll.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

static struct sockaddr_in server;
static size_t buffer_size = 65536;
static char *buffer;                    /* for the process: a relay keeps nothing in it */

/* ---- blocking: one session in a process ---- */

static bool send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Passes on what has arrived. False if this direction has ended. */
static bool pass(int from, int to)
{
    ssize_t n = recv(from, buffer, buffer_size, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    return n > 0 && send_all(to, buffer, (size_t)n);
}

static void relay(int client, int to_server)
{
    struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = to_server, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 2, -1) < 0)
            return;
        if (fds[1].revents && !pass(to_server, client))
            return;
        if (fds[0].revents && !pass(client, to_server)) {
            shutdown(to_server, SHUT_WR);
            fds[0].fd = -1;
        }
    }
}

static void session(int client)
{
    int to_server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (to_server < 0)
        bench_die_errno("socket");
    bench_nodelay(to_server);
    if (connect(to_server, (const struct sockaddr *)&server, sizeof(server)) == 0)
        relay(client, to_server);
    close(to_server);
    close(client);
}

struct pool {
    atomic_uint idle;                   /* workers that wait in accept() */
    unsigned wanted, max;
    int bell;                           /* an eventfd: too few are idle */
};

static _Noreturn void work(struct pool *pool, int listener)
{
    const uint64_t one = 1;
    int client;

    bench_end_with_parent();
    for (;;) {
        client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            continue;
        if (atomic_fetch_sub(&pool->idle, 1) <= pool->wanted && pool->max > pool->wanted &&
            write(pool->bell, &one, sizeof(one)) < 0)
            bench_die_errno("write");
        session(client);
        atomic_fetch_add(&pool->idle, 1);
    }
}

static _Noreturn void serve_blocking(int listener, unsigned workers, unsigned max_workers)
{
    struct pool *pool = mmap(NULL, sizeof(*pool), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned running = 0;
    uint64_t rings;

    if (pool == MAP_FAILED)
        bench_die_errno("mmap");
    pool->wanted = workers;
    pool->max = max_workers;
    pool->bell = eventfd(0, EFD_CLOEXEC);
    for (;;) {
        while (running < max_workers && atomic_load(&pool->idle) < workers) {
            pid_t child = fork();

            if (child < 0)
                bench_die_errno("fork");
            if (child == 0)
                work(pool, listener);
            atomic_fetch_add(&pool->idle, 1);
            running++;
        }
        if (read(pool->bell, &rings, sizeof(rings)) < 0 && errno != EINTR)
            bench_die_errno("read");
    }
}

/* ---- event: all sessions in one process ---- */

struct end {
    struct pair *pair;
    int fd;
    uint32_t events;
    bool has_ended;                     /* EOF was read from this end */
    char *held;                         /* octets that could not be sent to this end yet */
    size_t held_len;
};

struct pair {
    struct end client, server;
    bool is_dead;
    struct pair *next_dead;
};

static int epoll_fd;
static struct pair *dead;               /* freed after the batch, because an event may still name them */

static struct end *other(struct end *end)
{
    return end == &end->pair->client ? &end->pair->server : &end->pair->client;
}

static void pair_end(struct pair *pair)
{
    if (pair->is_dead)
        return;
    pair->is_dead = true;
    close(pair->client.fd);
    close(pair->server.fd);
    free(pair->client.held);
    free(pair->server.held);
    pair->next_dead = dead;
    dead = pair;
}

static void want(struct end *end, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = end};
    int operation = end->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (end->events == events)
        return;
    if (!events)
        operation = EPOLL_CTL_DEL;
    if (epoll_ctl(epoll_fd, operation, end->fd, &event) < 0)
        bench_die_errno("epoll_ctl");
    end->events = events;
}

/* Waits to read if the other end can take it, and to write if something is held. */
static void rearm(struct end *end)
{
    want(end, (end->has_ended || other(end)->held_len ? 0U : (uint32_t)EPOLLIN) |
              (end->held_len ? (uint32_t)EPOLLOUT : 0U));
}

static void hold(struct end *end, const char *data, size_t len)
{
    end->held = malloc(len);
    if (!end->held)
        bench_die_errno("malloc");
    memcpy(end->held, data, len);
    end->held_len = len;
    rearm(end);
    rearm(other(end));
}

static bool end_send(struct end *end, const char *data, size_t len)
{
    ssize_t n = send(end->fd, data, len, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != ENOTCONN)
        return false;
    if (n < (ssize_t)len)
        hold(end, data + (n < 0 ? 0 : n), len - (n < 0 ? 0 : (size_t)n));
    return true;
}

static bool send_held(struct end *end)
{
    char *held = end->held;
    size_t len = end->held_len;
    bool is_well;

    end->held = NULL;
    end->held_len = 0;
    is_well = end_send(end, held, len);
    free(held);
    if (is_well && !end->held_len) {
        rearm(end);
        rearm(other(end));
        if (other(end)->has_ended)
            shutdown(end->fd, SHUT_WR);
    }
    return is_well;
}

static bool end_event(struct end *end, uint32_t events)
{
    ssize_t n;

    if (events & EPOLLOUT && end->held_len && !send_held(end))
        return false;
    if (end->has_ended || other(end)->held_len)
        return !(events & EPOLLERR);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return true;
    n = recv(end->fd, buffer, buffer_size, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n > 0)
        return end_send(other(end), buffer, (size_t)n);
    if (end == &end->pair->server)
        return false;                   /* the server has sent everything */
    end->has_ended = true;
    shutdown(other(end)->fd, SHUT_WR);
    rearm(end);
    return true;
}

static void pair_begin(int client)
{
    struct pair *pair = bench_alloc(1, sizeof(*pair));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        bench_die_errno("socket");
    bench_nodelay(fd);
    pair->client.pair = pair->server.pair = pair;
    pair->client.fd = client;
    pair->server.fd = fd;
    if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS) {
        pair_end(pair);
        return;
    }
    want(&pair->server, EPOLLIN);
    want(&pair->client, EPOLLIN);
}

static void bury_dead(void)
{
    struct pair *pair;

    while ((pair = dead) != NULL) {
        dead = pair->next_dead;
        free(pair);
    }
}

static _Noreturn void serve_events(int listener)
{
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.ptr = NULL};
    int client, i, n;

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        bench_die_errno("epoll");
    for (;;) {
        n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (i = 0; i < n; i++) {
            struct end *end = events[i].data.ptr;

            if (end) {
                if (!end->pair->is_dead && !end_event(end, events[i].events))
                    pair_end(end->pair);
                continue;
            }
            while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
                pair_begin(client);
        }
        bury_dead();
    }
}

static const char help[] =
    "usage: relay_floor [options] --server ADDRESS:PORT\n"
    "  --listen ADDRESS:PORT  accept clients on this address (127.0.0.1:0: a free port)\n"
    "  --mode blocking|event  a process for each session, or one for all (blocking)\n"
    "  --workers N            blocking: how many idle processes to keep (4)\n"
    "  --max-workers N        blocking: the largest number (as many as --workers)\n"
    "  --buffer OCTETS        read at most this many at a time (65536)\n"
    "  --with-parent          exit when the parent process ends\n"
    "  --help                 print this help\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"server", required_argument, NULL, 's'},      {"listen", required_argument, NULL, 'l'},
        {"mode", required_argument, NULL, 'm'},        {"workers", required_argument, NULL, 'w'},
        {"max-workers", required_argument, NULL, 'x'}, {"buffer", required_argument, NULL, 'b'},
        {"with-parent", no_argument, NULL, 'p'},       {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct sockaddr_in address = bench_address("listen", "127.0.0.1:0");
    unsigned workers = 4, max_workers = 0;
    bool is_event = false;
    int option, listener;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's': server = bench_address("server", optarg); break;
        case 'l': address = bench_address("listen", optarg); break;
        case 'm': is_event = strcmp(optarg, "event") == 0; break;
        case 'w': workers = (unsigned)bench_number("workers", optarg, 1, 10000); break;
        case 'x': max_workers = (unsigned)bench_number("max-workers", optarg, 1, 20000); break;
        case 'b': buffer_size = (size_t)bench_number("buffer", optarg, 1, 1 << 24); break;
        case 'p': bench_end_with_parent(); break;
        case 'h': fputs(help, stdout); return 0;
        default: fputs(help, stderr); return 64;
        }
    }
    if (!server.sin_port)
        bench_die("--server is missing");
    bench_raise_files();
    buffer = bench_alloc(1, buffer_size);
    listener = bench_listen(&address, SOMAXCONN, is_event);
    bench_say_ready("ready", &address);
    if (is_event)
        serve_events(listener);
    serve_blocking(listener, workers, max_workers < workers ? workers : max_workers);
}
