/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lanes on an event loop. A question is written when it is taken on, so that its texts need not
 * live longer; what it holds of a login is wiped with it.
 */
#include "route/route_lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum lane_state { LANE_CLOSED, LANE_CONNECTING, LANE_IDLE, LANE_BUSY };

struct pending {
    struct pending *next;
    struct route_lanes *lanes;
    struct lane *lane; /* that asks it; NULL while it waits in the queue */
    ev_timer timer;
    route_reply *reply;
    void *context;
    uint32_t id;
    bool is_repeated;
    size_t length;
    char text[];
};

struct lane {
    struct route_lanes *lanes;
    enum lane_state state;
    int fd;
    ev_io io;
    struct pending *pending;
    bool is_kept;   /* the connection has answered before */
    size_t written; /* of the hello and the question */
    size_t length;  /* of what was read */
    char *data;     /* ROUTE_LANE_BYTES */
};

struct route_lanes {
    struct ev_loop *loop;
    const struct route_protocol *protocol;
    const struct route_environment *environment;
    struct route_place place;
    void *owner;
    struct lane lanes[ROUTE_LANES];
    struct pending *first; /* the queue */
    struct pending **last;
    size_t queued;
    uint32_t next_id;
    bool is_resolving;
};

static void serve_queue(struct route_lanes *lanes);

/* ---- the end of a question ---- */

static void free_pending(struct pending *pending)
{
    ev_timer_stop(pending->lanes->loop, &pending->timer);
    explicit_bzero(pending->text, pending->length);
    free(pending);
}

static void fail_pending(struct pending *pending, const char *why)
{
    route_reply *reply = pending->reply;
    void *context = pending->context;

    free_pending(pending);
    route_reply_failed(reply, context, why);
}

static void enqueue(struct route_lanes *lanes, struct pending *pending)
{
    pending->next = NULL;
    pending->lane = NULL;
    *lanes->last = pending;
    lanes->last = &pending->next;
    lanes->queued++;
}

static struct pending *dequeue(struct route_lanes *lanes)
{
    struct pending *pending = lanes->first;

    if (pending == NULL)
        return NULL;
    lanes->first = pending->next;
    if (lanes->first == NULL)
        lanes->last = &lanes->first;
    lanes->queued--;
    return pending;
}

static void remove_from_queue(struct route_lanes *lanes, struct pending *pending)
{
    struct pending **link = &lanes->first;

    while (*link != pending)
        link = &(*link)->next;
    *link = pending->next;
    if (lanes->last == &pending->next)
        lanes->last = link;
    lanes->queued--;
}

/* ---- a lane ---- */

static void close_lane(struct lane *lane)
{
    if (lane->fd == -1)
        return;
    ev_io_stop(lane->lanes->loop, &lane->io);
    close(lane->fd);
    if (lane->data != NULL)
        explicit_bzero(lane->data, lane->length);
    lane->fd = -1;
    lane->length = lane->written = 0;
    lane->state = LANE_CLOSED;
    lane->is_kept = false;
}

/* The connection is of no use any more. */
static void break_lane(struct lane *lane, const char *why)
{
    struct pending *pending = lane->pending;
    bool is_stale = lane->is_kept && lane->length == 0;

    /* The host may have moved to another address: ask for it before the next connection. */
    if (lane->state == LANE_CONNECTING && lane->lanes->place.host[0] != '\0')
        lane->lanes->place.address = (struct address){.length = 0};
    lane->pending = NULL;
    close_lane(lane);
    if (pending == NULL)
        return;
    if (is_stale && !pending->is_repeated) {
        pending->is_repeated = true;
        enqueue(lane->lanes, pending);
    } else {
        fail_pending(pending, why);
    }
}

static void watch_lane(struct lane *lane, int events)
{
    ev_io_stop(lane->lanes->loop, &lane->io);
    ev_io_set(&lane->io, lane->fd, events);
    ev_io_start(lane->lanes->loop, &lane->io);
}

/* The hello of a new connection and the question count as one text. */
static bool write_some(struct lane *lane)
{
    const char *hello = lane->lanes->protocol->hello;
    size_t hello_length = hello == NULL || lane->is_kept ? 0 : strlen(hello);
    size_t total = hello_length + lane->pending->length;

    while (lane->written < total) {
        bool is_hello = lane->written < hello_length;
        const char *text = is_hello ? hello + lane->written
                                    : lane->pending->text + (lane->written - hello_length);
        size_t left = (is_hello ? hello_length : total) - lane->written;
        ssize_t sent = send(lane->fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent == -1 && errno == EINTR)
            continue;
        if (sent == -1 && errno == EAGAIN) {
            watch_lane(lane, EV_READ | EV_WRITE);
            return true;
        }
        if (sent == -1)
            return false;
        lane->written += (size_t)sent;
    }
    watch_lane(lane, EV_READ);
    return true;
}

static void begin_question(struct lane *lane)
{
    lane->state = LANE_BUSY;
    lane->written = 0;
    if (!write_some(lane))
        break_lane(lane, strerror(errno));
}

/* The answer was read: the lane is free for the next question. */
static void end_question(struct lane *lane)
{
    lane->pending = NULL;
    lane->is_kept = true;
    if (lane->length > 0) {
        close_lane(lane); /* it says more than it was asked */
        return;
    }
    lane->state = LANE_IDLE;
    watch_lane(lane, EV_READ);
}

/* Takes whole lines and answers off the data. Returns false when the connection is broken. */
static bool parse_some(struct lane *lane)
{
    const struct route_protocol *protocol = lane->lanes->protocol;
    size_t at = 0;
    bool is_done = false;

    while (at < lane->length && !is_done && lane->pending != NULL) {
        struct pending *pending = lane->pending;
        ssize_t taken = protocol->read_answer(lane->lanes->owner, lane->data + at,
                                              lane->length - at, pending->id, pending->reply,
                                              pending->context, &is_done);
        if (is_done)
            free_pending(pending);
        if (taken == ROUTE_LANE_BROKEN)
            return false;
        if (taken == ROUTE_LANE_MORE)
            break;
        at += (size_t)taken;
    }
    memmove(lane->data, lane->data + at, lane->length - at);
    lane->length -= at;
    if (is_done)
        end_question(lane);
    return true;
}

static void read_some(struct lane *lane)
{
    ssize_t got = recv(lane->fd, lane->data + lane->length, ROUTE_LANE_BYTES - lane->length,
                       MSG_DONTWAIT);

    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        break_lane(lane, got == 0 ? "the table closed the connection" : strerror(errno));
        return;
    }
    lane->length += (size_t)got;
    if (lane->pending == NULL)
        close_lane(lane); /* nobody has asked it */
    else if (!parse_some(lane))
        break_lane(lane, "the table does not speak its protocol");
    else if (lane->length == ROUTE_LANE_BYTES)
        break_lane(lane, "the answer is too long");
}

static void on_lane(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct lane *lane = watcher->data;
    struct route_lanes *lanes = lane->lanes;
    int failure = 0;
    socklen_t size = sizeof(failure);

    (void)loop;
    if (lane->state == LANE_CONNECTING) {
        getsockopt(lane->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
        if (failure != 0)
            break_lane(lane, strerror(failure));
        else
            begin_question(lane);
    } else if ((events & EV_WRITE) != 0 && !write_some(lane)) {
        break_lane(lane, strerror(errno));
    } else if ((events & EV_READ) != 0) {
        read_some(lane);
    }
    serve_queue(lanes);
}

static void connect_lane(struct lane *lane)
{
    const struct address *address = &lane->lanes->place.address;
    int result;

    lane->fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (lane->data == NULL)
        lane->data = malloc(ROUTE_LANE_BYTES);
    if (lane->fd == -1 || lane->data == NULL) {
        struct pending *pending = lane->pending;
        lane->pending = NULL;
        close_lane(lane);
        fail_pending(pending, strerror(errno));
        return;
    }
    result = connect(lane->fd, &address->sa, address->length);
    if (result == -1 && errno != EINPROGRESS) {
        break_lane(lane, strerror(errno));
        return;
    }
    lane->state = LANE_CONNECTING;
    if (result == 0)
        begin_question(lane);
    else
        watch_lane(lane, EV_WRITE);
}

/* ---- the queue ---- */

/* A kept connection before a new one. */
static struct lane *free_lane(struct route_lanes *lanes)
{
    struct lane *closed = NULL;

    for (size_t i = 0; i < ROUTE_LANES; i++) {
        if (lanes->lanes[i].state == LANE_IDLE)
            return &lanes->lanes[i];
        if (lanes->lanes[i].state == LANE_CLOSED && closed == NULL)
            closed = &lanes->lanes[i];
    }
    return closed;
}

static void on_resolved(void *context, const struct address *address)
{
    struct route_lanes *lanes = context;

    lanes->is_resolving = false;
    if (address == NULL) {
        struct pending *pending;
        while ((pending = dequeue(lanes)) != NULL)
            fail_pending(pending, "the name of the table's host has no address");
        return;
    }
    lanes->place.address = *address;
    address_set_port(&lanes->place.address, lanes->place.port);
    serve_queue(lanes);
}

static bool has_address(struct route_lanes *lanes)
{
    if (lanes->place.host[0] == '\0' || lanes->place.address.sa.sa_family != AF_UNSPEC)
        return true;
    if (!lanes->is_resolving) {
        lanes->is_resolving = true;
        lanes->environment->resolve(lanes->environment->context, lanes->place.host, on_resolved,
                                    lanes);
    }
    return lanes->place.address.sa.sa_family != AF_UNSPEC;
}

static void serve_queue(struct route_lanes *lanes)
{
    struct pending *pending;
    struct lane *lane;

    while ((pending = lanes->first) != NULL && (lane = free_lane(lanes)) != NULL) {
        if (lane->state == LANE_CLOSED && !has_address(lanes))
            return;
        remove_from_queue(lanes, pending);
        lane->pending = pending;
        pending->lane = lane;
        if (lane->state == LANE_IDLE)
            begin_question(lane);
        else
            connect_lane(lane);
    }
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pending *pending = timer->data;
    struct route_lanes *lanes = pending->lanes;

    (void)loop;
    (void)events;
    if (pending->lane == NULL) {
        remove_from_queue(lanes, pending);
    } else {
        pending->lane->pending = NULL;
        close_lane(pending->lane);
    }
    fail_pending(pending, "the table does not answer in time");
    serve_queue(lanes);
}

/* ---- from outside ---- */

struct route_lanes *route_lanes_new(struct ev_loop *loop, const struct route_protocol *protocol,
                                    const struct route_place *place,
                                    const struct route_environment *environment, void *owner)
{
    struct route_lanes *lanes = calloc(1, sizeof(*lanes));

    if (lanes == NULL)
        return NULL;
    lanes->loop = loop;
    lanes->protocol = protocol;
    lanes->environment = environment;
    lanes->place = *place;
    lanes->owner = owner;
    lanes->last = &lanes->first;
    for (size_t i = 0; i < ROUTE_LANES; i++) {
        struct lane *lane = &lanes->lanes[i];
        lane->lanes = lanes;
        lane->fd = -1;
        ev_init(&lane->io, on_lane);
        lane->io.data = lane;
    }
    return lanes;
}

void route_lanes_free(struct route_lanes *lanes)
{
    struct pending *pending;

    for (size_t i = 0; i < ROUTE_LANES; i++) {
        struct lane *lane = &lanes->lanes[i];
        pending = lane->pending;
        lane->pending = NULL;
        close_lane(lane);
        free(lane->data);
        if (pending != NULL)
            fail_pending(pending, "the table is being closed");
    }
    while ((pending = dequeue(lanes)) != NULL)
        fail_pending(pending, "the table is being closed");
    free(lanes);
}

void route_lanes_ask(struct route_lanes *lanes, const struct route_question *question,
                     route_reply *reply, void *context)
{
    char text[ROUTE_LANE_BYTES];
    uint32_t id = ++lanes->next_id;
    size_t length = lanes->protocol->write_question(lanes->owner, question, id, text, sizeof(text));
    struct pending *pending = NULL;

    if (length > 0 && lanes->queued < ROUTE_QUEUE_MAX)
        pending = malloc(sizeof(*pending) + length);
    if (pending == NULL) {
        explicit_bzero(text, length);
        route_reply_failed(reply, context,
                           length == 0 ? "the question is too long" : "too many questions wait");
        return;
    }
    *pending = (struct pending){
        .lanes = lanes, .reply = reply, .context = context, .id = id, .length = length};
    memcpy(pending->text, text, length);
    explicit_bzero(text, length);
    ev_timer_init(&pending->timer, on_timeout, (double)lanes->environment->timeout_ms / 1e3, 0.);
    pending->timer.data = pending;
    ev_timer_start(lanes->loop, &pending->timer);
    enqueue(lanes, pending);
    serve_queue(lanes);
}
