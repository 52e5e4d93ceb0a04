/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load generator of the benchmark: many POP3 clients in one process, on epoll, over loopback.
 * It checks every reply for length and content (script.h), counts every error and describes the
 * first. Clients arrive in one of four ways: closed (a fixed number, each begins again when it has
 * finished), storm (all at the same time, one session each), open (at a fixed rate, whether or not
 * earlier ones have finished; the time counts from the moment when a session was due, not from when
 * it could start), idle (log in and stay until standard input ends). It prints one JSON object.
 * Exit status 1: errors.
 */
#include "arrival.h"
#include "bench.h"
#include "client.h"
#include "settings.h"
#include "tally.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVENTS 256

static int epoll_fd, signal_fd;
static bool is_released;                /* idle: the hold is over */

/* ---- time ---- */

static void give_up(void)
{
    arrival_stop();
    clients_give_up_all();
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Waits until something is due. epoll_wait() counts in milliseconds, too coarse for a rate. */
static void sleep_until_event(uint64_t deadline_ns)
{
    struct pollfd pollfd = {.fd = epoll_fd, .events = POLLIN};
    uint64_t now = bench_now_ns(), until = deadline_ns;
    struct timespec left = {0};

    until = earlier(until, arrival_next_due_ns(now));
    until = earlier(until, clients_due_ns());
    if (until > now) {
        left.tv_sec = (time_t)((until - now) / BENCH_S);
        left.tv_nsec = (long)((until - now) % BENCH_S);
        ppoll(&pollfd, 1, &left, NULL);
    }
}

/* ---- idle: the hold and its end ---- */

/* All clients that could have logged in: the driver reads this line and measures. */
static void say_held(void)
{
    static bool is_said;

    if (is_said || set.mode != MODE_IDLE || arrival_started() < set.clients ||
        clients_held() < clients_under_way())
        return;
    is_said = true;
    printf("held %" PRIu64 "\n", clients_held());
    fflush(stdout);
}

static void take_control_event(void *which)
{
    struct signalfd_siginfo info;
    char c;

    if (which == &signal_fd) {
        if (read(signal_fd, &info, sizeof(info)) < 0)
            return;
    } else {
        if (read(STDIN_FILENO, &c, 1) > 0)
            return;
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    }
    if (set.mode == MODE_IDLE && !is_released) {
        arrival_stop();
        is_released = true;
        clients_release();
    } else if (which == &signal_fd) {
        give_up();
    }
}

static void watch_control(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &signal_fd};
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &event) < 0)
        bench_die_errno("signalfd");
    event.data.ptr = &epoll_fd;
    if (set.mode == MODE_IDLE && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0 &&
        errno != EPERM)                 /* a file or /dev/null: then only a signal ends the hold */
        bench_die_errno("standard input");
}

static bool is_control(const void *which)
{
    return which == &signal_fd || which == &epoll_fd;
}

/* Clients end last, because no event of the batch may name a client that has ended. */
static void take_events(void)
{
    struct epoll_event events[EVENTS];
    int i, n = epoll_wait(epoll_fd, events, EVENTS, 0);

    for (i = 0; i < n; i++)
        if (!is_control(events[i].data.ptr))
            client_event(events[i].data.ptr, events[i].events);
    for (i = 0; i < n; i++)
        if (is_control(events[i].data.ptr))
            take_control_event(events[i].data.ptr);
}

static void run(void)
{
    uint64_t deadline_ns;

    arrival_start();
    deadline_ns = arrival_start_ns() + set.deadline_ns;
    while (arrival_begin_due(), !arrival_is_over()) {
        sleep_until_event(deadline_ns);
        take_events();
        clients_wake_delayed();
        clients_give_up_stalled();
        say_held();
        if (bench_now_ns() >= deadline_ns)
            give_up();
        if (tally_error_count() > 1000 && tally_error_count() > tally_sessions())
            arrival_stop();             /* nothing works, so further clients are useless */
    }
    arrival_count_unstarted();
}

static uint64_t elapsed_ns(void)
{
    uint64_t end_ns = clients_last_end_ns();

    return end_ns ? end_ns - arrival_start_ns() : 0;
}

int main(int argc, char **argv)
{
    char head[256];

    settings_take(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    bench_raise_files();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        bench_die_errno("epoll_create1");
    clients_prepare(epoll_fd);
    watch_control();
    run();
    snprintf(head, sizeof(head),
             "\"mode\":\"%s\",\"script\":\"%s\",\"clients\":%" PRIu64 ",\"delay_ms\":%" PRIu64 ",",
             settings_mode(), set.script, set.clients, (uint64_t)(set.delay_ns / BENCH_MS));
    tally_print(head, elapsed_ns());
    return tally_error_count() ? 1 : 0;
}
