/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client from connect to close, and the lists in which clients wait; see client.h. Each of the
 * three lists is in the order of time, so the first client is the one that is due first.
 */
#include "client.h"

#include "bench.h"
#include "script.h"
#include "settings.h"
#include "tally.h"
#include "transport.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READ_SIZE (256 * 1024)

enum state { CLIENT_HANDSHAKE, CLIENT_TALKS, CLIENT_WAITS_DELAY, CLIENT_HOLDS, CLIENT_LEAVES };

struct client {
    enum state state;
    unsigned number;
    struct transport transport;
    uint32_t events;                    /* what epoll waits for */
    size_t step;
    struct progress progress;
    uint64_t due_ns;                    /* latency counts from here */
    uint64_t since_ns;                  /* when it last received something, or when the delay began */
    uint64_t latency_ns;
    size_t command_len, command_sent;
    char command[SCRIPT_COMMAND_MAX];
    struct list *list;
    struct client *next, *previous;
};

/* In the order of since_ns: the first is due first. */
struct list {
    struct client *first, *last;
};

static struct script script;
static struct list working, delayed, holding;
static struct client *spare;
static int epoll_fd;
static char read_buffer[READ_SIZE];
static uint64_t last_end_ns, under_way, held;
static bool is_holding;                 /* idle: clients that have logged in stay */

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

/* ---- commands and replies ---- */

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

/* Sends the rest of the command. False if the client has ended. */
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
    client->command_len = script_command(&script, client->step,
                                         client->number % (unsigned)set.users, client->command);
    list_enter(&working, client);
    return client_send(client);
}

static void hold(struct client *client)
{
    client->state = CLIENT_HOLDS;
    list_enter(&holding, client);
    held++;
}

/* The reply is complete: sends the next command, now or after the delay. False: there is none. */
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
    if (is_holding && client->step == script.login_done) {
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

/* Checks what was received. False if the client has ended. */
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
        client_read(client);            /* the greeting may have arrived with the last handshake record */
    } else if (result == TRANSPORT_AGAIN) {
        client_watch(client);
    } else {
        client_unreadable(client, result);
    }
}

void client_event(struct client *client, uint32_t events)
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

/* ---- the start of a client ---- */

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

void client_begin(unsigned number, uint64_t due_ns)
{
    struct client *client = client_new();
    int fd;

    client->number = number;
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

/* ---- all clients ---- */

void clients_prepare(int descriptor)
{
    epoll_fd = descriptor;
    script_build(&script, set.script, (unsigned)set.messages, set.size);
    script.suffix = set.suffix;
    is_holding = set.mode == MODE_IDLE;
    if (set.is_tls)
        transport_use_tls(&set.tls);
}

void clients_wake_delayed(void)
{
    uint64_t now = bench_now_ns();

    while (delayed.first && delayed.first->since_ns + set.delay_ns <= now)
        client_say(delayed.first);
}

void clients_give_up_stalled(void)
{
    uint64_t now = bench_now_ns();

    while (working.first && working.first->since_ns + set.stall_ns <= now)
        client_fail(working.first, ERROR_STALL, "nothing was received");
}

static void give_up_list(struct list *list)
{
    while (list->first)
        client_fail(list->first, ERROR_UNFINISHED, "not finished at the deadline");
}

void clients_give_up_all(void)
{
    give_up_list(&working);
    give_up_list(&delayed);
    give_up_list(&holding);
}

void clients_release(void)
{
    struct client *client, *next;

    is_holding = false;
    for (client = holding.first; client; client = next) {
        next = client->next;
        held--;
        client->step = script.count - 1;
        client_say(client);
    }
}

uint64_t clients_due_ns(void)
{
    uint64_t until = UINT64_MAX;

    if (delayed.first)
        until = delayed.first->since_ns + set.delay_ns;
    if (working.first && working.first->since_ns + set.stall_ns < until)
        until = working.first->since_ns + set.stall_ns;
    return until;
}

uint64_t clients_under_way(void)
{
    return under_way;
}

uint64_t clients_held(void)
{
    return held;
}

uint64_t clients_last_end_ns(void)
{
    return last_end_ns;
}
