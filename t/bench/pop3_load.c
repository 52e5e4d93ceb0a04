/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load generator of the benchmark: many POP3 clients in one process, on epoll, over loopback.
 * Every reply is checked for length and content (script.h); whatever goes wrong is counted and
 * the first case told. Four ways to arrive: closed (so many clients, each begins again when it is
 * through), storm (all at once, one session each), open (at a fixed rate, whatever becomes of the
 * earlier ones, and timed from the moment a session was due, not from when it could start), idle
 * (log in and stay until standard input ends). Prints one JSON object. Exit status 1: errors.
 */
#include "bench.h"
#include "script.h"
#include "tally.h"
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define READ_SIZE (256 * 1024)
#define LOGINS_AT_ONCE 64               /* idle: so many log in at a time */

enum mode { MODE_CLOSED, MODE_STORM, MODE_OPEN, MODE_IDLE };

static const char *const mode_names[] = {"closed", "storm", "open", "idle"};

static struct {
    struct sockaddr_in address;
    enum mode mode;
    uint64_t clients, sessions, rate, sources, messages, size;
    uint64_t seconds_ns, ramp_ns, delay_ns, stall_ns, deadline_ns;
    const char *script, *suffix;
    bool is_tls;
    struct transport_tls tls;
} set = {
    .clients = 64, .rate = 100, .messages = 10, .size = 8192, .script = "poll",
    .stall_ns = 30 * BENCH_S, .deadline_ns = 120 * BENCH_S,
};

enum state { CLIENT_HANDSHAKE, CLIENT_TALKS, CLIENT_WAITS_DELAY, CLIENT_HOLDS, CLIENT_LEAVES };

struct client {
    enum state state;
    unsigned number;
    struct transport transport;
    uint32_t events;                    /* what epoll was asked for */
    size_t step;
    struct progress progress;
    uint64_t due_ns;                    /* latency counts from here */
    uint64_t since_ns;                  /* last sign of life, or begin of the delay */
    uint64_t latency_ns;
    size_t command_len, command_sent;
    char command[SCRIPT_COMMAND_MAX];
    struct list *list;
    struct client *next, *previous;
};

/* In the order of since_ns: the one that is due first is the first. */
struct list {
    struct client *first, *last;
};

static struct script script;
static struct list working, delayed, holding;
static struct client *spare;
static int epoll_fd, signal_fd;
static char read_buffer[READ_SIZE];
static uint64_t begin_ns, last_end_ns;
static uint64_t started, under_way, held;
static bool is_stopping, is_released;

/* ---- lists ---- */

static void list_leave(struct client *client)
{
    struct list *list = client->list;

    if (!list)
        return;
    *(client->previous ? &client->previous->next : &list->first) = client->next;
    *(client->next ? &client->next->previous : &list->last) = client->previous;
    client->list = NULL;
}

static void list_enter(struct list *list, struct client *client)
{
    list_leave(client);
    client->list = list;
    client->since_ns = bench_now_ns();
    client->next = NULL;
    client->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = client;
    list->last = client;
}

/* ---- the end of a client ---- */

static void client_end(struct client *client)
{
    list_leave(client);
    transport_close(&client->transport);
    if (client->state == CLIENT_HOLDS)
        held--;
    client->next = spare;
    spare = client;
    under_way--;
    last_end_ns = bench_now_ns();
}

static const char *where(const struct client *client)
{
    static char text[64];
    const char *name = client->state == CLIENT_HANDSHAKE ? "the TLS handshake"
                     : client->state == CLIENT_LEAVES    ? "the close"
                                                         : script.steps[client->step].text;

    snprintf(text, sizeof(text), "%.*s", (int)strcspn(name, "\r"), name);
    return text;
}

static void client_fail(struct client *client, enum tally_error kind, const char *why)
{
    tally_error(kind, "client %u at %s, octet %" PRIu64 ": %s", client->number, where(client),
                client->progress.pos, why);
    client_end(client);
}

static void client_wrong(struct client *client, enum tally_error kind, const char *data, size_t len)
{
    char text[64];

    snprintf(text, sizeof(text), "got \"%.*s\"", (int)(len < 50 ? len : 50), data);
    client_fail(client, kind, text);
}

static void client_unreadable(struct client *client, enum transport_result result)
{
    if (result == TRANSPORT_ERROR)
        client_fail(client, client->transport.tls ? ERROR_TLS : ERROR_CONNECT, transport_error());
    else
        client_fail(client, ERROR_EOF, "the connection ended");
}

/* ---- talking ---- */

static void client_watch(struct client *client)
{
    uint32_t events = EPOLLIN | (client->transport.wants_write ? (uint32_t)EPOLLOUT : 0U);
    struct epoll_event event = {.events = events, .data.ptr = client};
    int operation = client->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (client->events == events)
        return;
    client->events = events;
    if (epoll_ctl(epoll_fd, operation, client->transport.fd, &event) < 0)
        bench_die_errno("epoll_ctl");
}

/* Sends what is left of the command. False when the client is no more. */
static bool client_send(struct client *client)
{
    enum transport_result result = TRANSPORT_OK;
    size_t n;

    while (client->command_sent < client->command_len && result == TRANSPORT_OK) {
        result = transport_write(&client->transport, client->command + client->command_sent,
                                 client->command_len - client->command_sent, &n);
        if (result == TRANSPORT_OK)
            client->command_sent += n;
    }
    if (result != TRANSPORT_OK && result != TRANSPORT_AGAIN) {
        client_unreadable(client, result);
        return false;
    }
    client_watch(client);
    return true;
}

static bool client_say(struct client *client)
{
    client->state = CLIENT_TALKS;
    client->progress = (struct progress){0};
    client->command_sent = 0;
    client->command_len = script_command(&script, client->step, client->number, client->command);
    list_enter(&working, client);
    return client_send(client);
}

static void hold(struct client *client)
{
    client->state = CLIENT_HOLDS;
    list_enter(&holding, client);
    held++;
}

/* The reply is complete: the next command, now or behind the delay. False: it has no more to do. */
static bool client_next(struct client *client)
{
    uint64_t now;

    if (script.steps[client->step].command == STEP_QUIT) {
        now = bench_now_ns();
        client->latency_ns = now - client->due_ns;
        client->state = CLIENT_LEAVES;
        list_enter(&working, client);
        return true;
    }
    client->step++;
    if (set.mode == MODE_IDLE && client->step == script.login_done && !is_released) {
        hold(client);
        return true;
    }
    if (set.mode == MODE_IDLE && client->step >= script.login_done)
        client->step = script.count - 1;
    if (!set.delay_ns)
        return client_say(client);
    client->state = CLIENT_WAITS_DELAY;
    list_enter(&delayed, client);
    return true;
}

/* Checks what came. False when the client is no more. */
static bool client_feed(struct client *client, const char *data, size_t len)
{
    size_t used = 0;

    tally_octets(len);
    if (client->state != CLIENT_TALKS || client->command_sent < client->command_len) {
        client_wrong(client, ERROR_EXTRA, data, len);
        return false;
    }
    switch (script_check(&script.steps[client->step], script.box, &client->progress, data, len,
                         &used)) {
    case SCRIPT_MORE:
        list_enter(&working, client);
        return true;
    case SCRIPT_DONE:
        if (used == len)
            return client_next(client);
        client_wrong(client, ERROR_EXTRA, data + used, len - used);
        return false;
    case SCRIPT_REFUSED:
        client_wrong(client, ERROR_REFUSED, data, len);
        return false;
    case SCRIPT_WRONG:
        client_wrong(client, ERROR_WRONG, data, len);
        return false;
    }
    return false;
}

static void client_ended(struct client *client, enum transport_result result)
{
    if (client->state != CLIENT_LEAVES || result == TRANSPORT_ERROR) {
        client_unreadable(client, result);
        return;
    }
    if (result == TRANSPORT_RUDE_EOF)
        tally_rude_end();
    tally_session(client->latency_ns);
    client_end(client);
}

static void client_read(struct client *client)
{
    enum transport_result result;
    size_t len;
    bool is_more;

    do {
        len = 0;
        result = transport_read(&client->transport, read_buffer, sizeof(read_buffer), &len);
        if (result == TRANSPORT_AGAIN)
            return;
        if (result != TRANSPORT_OK) {
            client_ended(client, result);
            return;
        }
        is_more = client->transport.tls || len == sizeof(read_buffer);
    } while (client_feed(client, read_buffer, len) && is_more);
}

static void client_shake(struct client *client)
{
    enum transport_result result = transport_handshake(&client->transport);

    if (result == TRANSPORT_OK) {
        client->state = CLIENT_TALKS;
        list_enter(&working, client);
        client_watch(client);
        client_read(client);            /* the greeting may have come with the last flight */
    } else if (result == TRANSPORT_AGAIN) {
        client_watch(client);
    } else {
        client_unreadable(client, result);
    }
}

static void client_event(struct client *client, uint32_t events)
{
    if (client->state == CLIENT_HANDSHAKE) {
        client_shake(client);
        return;
    }
    if (events & EPOLLOUT && !client_send(client))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        client_read(client);
}

/* ---- the begin of a client ---- */

static void bind_source(int fd, unsigned number)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    int one = 1;

    source.sin_addr.s_addr = htonl(0x7f000002U + number % (unsigned)set.sources);
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0 ||
        bind(fd, (const struct sockaddr *)&source, sizeof(source)) < 0)
        bench_die_errno("bind to a source address");
}

static int open_socket(unsigned number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        bench_die_errno("socket");
    bench_nodelay(fd);
    if (set.sources)
        bind_source(fd, number);
    return fd;
}

static struct client *client_new(void)
{
    struct client *client = spare;

    if (!client)
        return bench_alloc(1, sizeof(*client));
    spare = client->next;
    memset(client, 0, sizeof(*client));
    return client;
}

static void client_begin(uint64_t due_ns)
{
    struct client *client = client_new();
    int fd;

    client->number = (unsigned)(started++ % 1000000);
    under_way++;
    client->due_ns = due_ns;
    fd = open_socket(client->number);
    client->state = set.is_tls ? CLIENT_HANDSHAKE : CLIENT_TALKS;
    if (connect(fd, (const struct sockaddr *)&set.address, sizeof(set.address)) < 0 &&
        errno != EINPROGRESS) {
        client->transport = (struct transport){.fd = fd};
        client_fail(client, ERROR_CONNECT, strerror(errno));
        return;
    }
    transport_open(&client->transport, fd);
    client->transport.wants_write = set.is_tls;         /* TLS: the client speaks first */
    list_enter(&working, client);
    client_watch(client);
}

static uint64_t open_total(void)
{
    return set.rate * set.seconds_ns / BENCH_S;
}

/* When the next session may begin: 0 at once, UINT64_MAX not before another one ends. */
static uint64_t next_due_ns(uint64_t now)
{
    if (is_stopping)
        return UINT64_MAX;
    if (set.mode == MODE_OPEN) {
        if (started == open_total() || under_way >= set.clients)
            return UINT64_MAX;
        return begin_ns + started * BENCH_S / set.rate;
    }
    if (under_way >= set.clients || (set.sessions && started >= set.sessions))
        return UINT64_MAX;
    if (set.mode == MODE_IDLE && under_way - held >= LOGINS_AT_ONCE)
        return UINT64_MAX;
    if (set.seconds_ns && now >= begin_ns + set.seconds_ns)
        return UINT64_MAX;
    return started < set.clients ? begin_ns + started * set.ramp_ns / set.clients : 0;
}

static void begin_due(void)
{
    uint64_t now = bench_now_ns(), due;
    unsigned i;

    for (i = 0; i < EVENTS && (due = next_due_ns(now)) <= now; i++)
        client_begin(set.mode == MODE_OPEN ? due : bench_now_ns());
}

static bool is_over(void)
{
    if (under_way)
        return false;
    return is_stopping || next_due_ns(bench_now_ns()) == UINT64_MAX;
}

/* ---- time ---- */

static void wake_delayed(void)
{
    uint64_t now = bench_now_ns();

    while (delayed.first && delayed.first->since_ns + set.delay_ns <= now)
        client_say(delayed.first);
}

static void give_up_stalled(void)
{
    uint64_t now = bench_now_ns();

    while (working.first && working.first->since_ns + set.stall_ns <= now)
        client_fail(working.first, ERROR_STALL, "nothing came");
}

static void give_up_list(struct list *list)
{
    while (list->first)
        client_fail(list->first, ERROR_UNFINISHED, "not finished at the deadline");
}

static void give_up_all(void)
{
    is_stopping = true;
    give_up_list(&working);
    give_up_list(&delayed);
    give_up_list(&holding);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Until something is due; epoll_wait() counts in milliseconds, which is too coarse at a rate. */
static void sleep_until_event(uint64_t deadline_ns)
{
    struct pollfd pollfd = {.fd = epoll_fd, .events = POLLIN};
    uint64_t now = bench_now_ns(), until = deadline_ns;
    struct timespec left = {0};

    until = earlier(until, next_due_ns(now));
    if (delayed.first)
        until = earlier(until, delayed.first->since_ns + set.delay_ns);
    if (working.first)
        until = earlier(until, working.first->since_ns + set.stall_ns);
    if (until > now) {
        left.tv_sec = (time_t)((until - now) / BENCH_S);
        left.tv_nsec = (long)((until - now) % BENCH_S);
        ppoll(&pollfd, 1, &left, NULL);
    }
}

/* ---- idle: the hold and its end ---- */

/* All who could are in: the driver reads this line and takes its measure. */
static void say_held(void)
{
    static bool is_said;

    if (is_said || set.mode != MODE_IDLE || started < set.clients || held < under_way)
        return;
    is_said = true;
    printf("held %" PRIu64 "\n", held);
    fflush(stdout);
}

static void release(void)
{
    struct client *client, *next;

    is_released = true;
    for (client = holding.first; client; client = next) {
        next = client->next;
        held--;
        client->step = script.count - 1;
        client_say(client);
    }
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
        is_stopping = true;
        release();
    } else if (which == &signal_fd) {
        give_up_all();
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

static void take_events(void)
{
    struct epoll_event events[EVENTS];
    int i, n = epoll_wait(epoll_fd, events, EVENTS, 0);

    for (i = 0; i < n; i++) {
        void *which = events[i].data.ptr;

        if (which == &signal_fd || which == &epoll_fd)
            take_control_event(which);
        else
            client_event(which, events[i].events);
    }
}

static void run(void)
{
    uint64_t deadline_ns;

    begin_ns = last_end_ns = bench_now_ns();
    deadline_ns = begin_ns + set.deadline_ns;
    while (begin_due(), !is_over()) {
        sleep_until_event(deadline_ns);
        take_events();
        wake_delayed();
        give_up_stalled();
        say_held();
        if (bench_now_ns() >= deadline_ns)
            give_up_all();
        if (tally_error_count() > 1000 && tally_error_count() > tally_sessions())
            is_stopping = true;         /* nothing works: no use to go on asking */
    }
    if (set.mode == MODE_OPEN && started < open_total())
        tally_errors(ERROR_UNSTARTED, open_total() - started);
}

/* ---- the command line ---- */

static const char help[] =
    "usage: pop3_load [options] --connect ADDRESS:PORT\n"
    "what is said\n"
    "  --script poll|fetch|bulk  poll: USER PASS STAT QUIT; fetch: also UIDL, LIST, RETR and DELE\n"
    "                            of each message; bulk: STAT and RETR of each (poll)\n"
    "  --messages N              how many there are (10)\n"
    "  --size OCTETS             of each; a multiple of 64 (8192)\n"
    "  --delay-ms N              wait so long between a reply and the next command (0)\n"
    "  --user-suffix TEXT        behind each user name, such as %server:port (none)\n"
    "how clients arrive\n"
    "  --mode closed             --clients at once, each begins anew when it is through\n"
    "  --mode storm              --clients at once, one session each\n"
    "  --mode open               --rate sessions a second for --seconds, timed from when each\n"
    "                            was due; at most --clients under way\n"
    "  --mode idle               --clients log in and stay until standard input ends or SIGTERM;\n"
    "                            prints \"held N\" when all are in\n"
    "  --clients N (64)  --sessions N (no limit)  --seconds N (no limit)  --rate N (100)\n"
    "  --ramp-ms N               spread the first --clients over so long (0)\n"
    "  --sources N               connect from N addresses, 127.0.0.2 and on (the kernel's choice)\n"
    "  --stall S, --deadline S   give up a client that hears nothing (30), or all (120)\n"
    "TLS 1.3\n"
    "  --tls                     from the first octet\n"
    "  --tls-resume              use each ticket once instead of a full handshake\n"
    "  --tls-ca FILE, --tls-name NAME  check the certificate\n"
    "  --with-parent             end when the parent process ends\n"
    "  --help                    this text\n"
    "The result is one JSON object on standard output. Exit status: 0; 1 errors; 64 usage.\n";

static enum mode mode_of(const char *name)
{
    int mode;

    for (mode = MODE_CLOSED; mode <= MODE_IDLE; mode++)
        if (strcmp(name, mode_names[mode]) == 0)
            return (enum mode)mode;
    bench_die("--mode %s: closed, storm, open or idle is wanted", name);
}

static void take_option(int option, const char *name)
{
    switch (option) {
    case 'a': set.address = bench_address(name, optarg); break;
    case 'S': set.script = optarg; break;
    case 'm': set.messages = bench_number(name, optarg, 0, 10000); break;
    case 'z': set.size = bench_number(name, optarg, 0, 1ULL << 40); break;
    case 'd': set.delay_ns = bench_number(name, optarg, 0, 60000) * BENCH_MS; break;
    case 'M': set.mode = mode_of(optarg); break;
    case 'c': set.clients = bench_number(name, optarg, 1, 100000); break;
    case 'n': set.sessions = bench_number(name, optarg, 1, 100000000); break;
    case 't': set.seconds_ns = bench_number(name, optarg, 1, 86400) * BENCH_S; break;
    case 'r': set.rate = bench_number(name, optarg, 1, 1000000); break;
    case 'R': set.ramp_ns = bench_number(name, optarg, 0, 600000) * BENCH_MS; break;
    case 's': set.sources = bench_number(name, optarg, 1, 250); break;
    case 'w': set.stall_ns = bench_number(name, optarg, 1, 3600) * BENCH_S; break;
    case 'D': set.deadline_ns = bench_number(name, optarg, 1, 86400) * BENCH_S; break;
    case 'T': set.is_tls = true; break;
    case 'u': set.is_tls = set.tls.is_resuming = true; break;
    case 'C': set.tls.ca_file = optarg; break;
    case 'N': set.tls.name = optarg; break;
    case 'x': set.suffix = optarg; break;
    case 'p': bench_end_with_parent(); break;
    case 'h': fputs(help, stdout); exit(0);
    default: fputs(help, stderr); exit(64);
    }
}

static void take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", required_argument, NULL, 'a'},  {"script", required_argument, NULL, 'S'},
        {"messages", required_argument, NULL, 'm'}, {"size", required_argument, NULL, 'z'},
        {"delay-ms", required_argument, NULL, 'd'}, {"mode", required_argument, NULL, 'M'},
        {"clients", required_argument, NULL, 'c'},  {"sessions", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 't'},  {"rate", required_argument, NULL, 'r'},
        {"ramp-ms", required_argument, NULL, 'R'},  {"sources", required_argument, NULL, 's'},
        {"stall", required_argument, NULL, 'w'},    {"deadline", required_argument, NULL, 'D'},
        {"tls", no_argument, NULL, 'T'},            {"tls-resume", no_argument, NULL, 'u'},
        {"tls-ca", required_argument, NULL, 'C'},   {"tls-name", required_argument, NULL, 'N'},
        {"user-suffix", required_argument, NULL, 'x'},
        {"with-parent", no_argument, NULL, 'p'},    {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option, which = 0;

    while ((option = getopt_long(argc, argv, "", options, &which)) != -1)
        take_option(option, options[which].name);
    if (optind < argc || !set.address.sin_port)
        bench_die("--connect ADDRESS:PORT is wanted, and no operand");
    if (set.suffix && strlen(set.suffix) > 64)
        bench_die("--user-suffix: at most 64 octets");
    if (set.mode == MODE_OPEN && !set.seconds_ns)
        bench_die("--mode open needs --seconds");
    if (set.mode == MODE_CLOSED && !set.seconds_ns && !set.sessions)
        bench_die("--mode closed needs --seconds or --sessions");
    if (set.mode == MODE_STORM || set.mode == MODE_IDLE)
        set.sessions = set.clients;
}

int main(int argc, char **argv)
{
    char head[256];

    take_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    bench_raise_files();
    script_build(&script, set.script, (unsigned)set.messages, set.size);
    script.suffix = set.suffix;
    if (set.is_tls)
        transport_use_tls(&set.tls);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        bench_die_errno("epoll_create1");
    watch_control();
    run();
    snprintf(head, sizeof(head),
             "\"mode\":\"%s\",\"script\":\"%s\",\"clients\":%" PRIu64 ",\"delay_ms\":%" PRIu64 ",",
             mode_names[set.mode], set.script, set.clients, (uint64_t)(set.delay_ns / BENCH_MS));
    tally_print(head, last_end_ns - begin_ns);
    return tally_error_count() ? 1 : 0;
}
