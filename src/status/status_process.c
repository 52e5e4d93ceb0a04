/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The status process's loop: the renderings answer what is asked, orders.c what is ordered. It sees
 * the pools as they were when it was forked; only what lies in shared memory changes. When it is told
 * to leave, it finishes the answers it has begun and exits. When the master dies, the kernel kills it.
 */
#include "status/status_process.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "base/sandbox.h"
#include "pool/hold.h"
#include "pool/trace_mark.h"
#include "pool/kick_relay.h"
#include "status/control_ask.h"
#include "status/kept_text.h"
#include "status/metrics_http.h"
#include "status/order_log.h"
#include "status/orders.h"
#include "status/status_certificates.h"
#include "status/status_processes.h"
#include "status/status_render.h"
#include "status/status_view.h"
#include "status/trace_serve.h"
#include "tls/tls.h"

#define CLIENT_LIMIT_S 5.0
#define LEAVE_LIMIT_S  0.5
#define ACCEPT_PAUSE_S 0.2
#define ORDER_TICK_S   0.005
#define ORDER_LIMIT_MS 3000

enum { CLIENTS_MAX = 16 };

struct client {
    ev_io io;
    ev_timer limit;
    bool is_connected;
    uint64_t number; /* in the order of their coming */
    ev_timer order_tick; /* runs while an order is pending */
    int64_t order_deadline_ms;
    struct order order;
    char request[CONTROL_REQUEST_MAX];
    size_t request_length;
    char *answer; /* NULL while the request is not complete */
    size_t answer_length;
    size_t sent;
};

static struct {
    const struct status_process *start;
    struct ev_loop *loop;
    ev_io control;
    ev_io told; /* the word to leave */
    ev_timer accept_pause;
    ev_timer leave_limit;
    ev_prepare before_sleep;
    ev_timer history; /* a point for the charts is due */
    bool is_leaving;
    uint64_t clients_seen;
    struct client clients[CLIENTS_MAX];
} process;

/* ---- answers ---- */

typedef void render(const struct status_view *view, FILE *out);

static void render_metrics(const struct status_view *view, FILE *out)
{
    status_render_metrics(view, out);
    status_processes_metrics(process.start->pools, process.start->master_pid, out);
}

static const struct {
    const char *request;
    render *render;
} answers[] = {
    {"status", status_render_table},
    {"status --json", status_render_json},
    {"metrics", render_metrics},
    {"servers", status_render_servers},
    {"view", status_view_write},
};

static void refuse(FILE *out)
{
    fputs("error: unknown request; ask one of", out);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        fprintf(out, "%s \"%s\"", i == 0 ? "" : ",", answers[i].request);
    fputs(", or give an order: kick, hold, release, drain, ready, trace\n", out);
}

/* How to answer the request; NULL: it is unknown. */
static render *find_render(const char *request)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strcmp(answers[i].request, request) == 0)
            return answers[i].render;
    return NULL;
}

static struct status_reload last_reload(void)
{
    const struct status_reloads *reloads = process.start->reloads;
    struct status_reload last = {0};

    if (reloads != NULL && !seqlock_read(&reloads->lock, &last, &reloads->last, sizeof(last)))
        last = (struct status_reload){0};
    return last;
}

static int take_view(struct status_view *view)
{
    struct status_reload reload = last_reload();

    if (status_view_take(view, process.start->pools, process.start->started_ms, &reload) == -1)
        return -1;
    status_view_sort(view, STATUS_BY_AGE);
    return 0;
}

static void write_answer(FILE *out, render *how)
{
    struct status_view view;

    if (how == NULL) {
        refuse(out);
        return;
    }
    if (take_view(&view) == 0)
        how(&view, out);
    else
        fputs("error: out of memory\n", out);
    status_view_free(&view);
}

/* Returns NULL when there is no memory. */
static char *make_answer(render *how, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);

    if (out == NULL)
        return NULL;
    write_answer(out, how);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static char *make_metrics(size_t *length)
{
    return make_answer(render_metrics, length);
}

/* Over HTTP anybody may ask often. */
static char *metrics_text(size_t *length)
{
    static struct kept_text kept;

    if (kept_text_renew(&kept, make_metrics) == -1)
        return NULL;
    *length = kept.length;
    return kept_text_copy(&kept);
}

/* ---- a client ---- */

static void drop(struct client *client)
{
    ev_io_stop(process.loop, &client->io);
    ev_timer_stop(process.loop, &client->limit);
    close(client->io.fd);
    ev_timer_stop(process.loop, &client->order_tick);
    orders_drop(&client->order);
    free(client->answer);
    client->answer = NULL;
    client->is_connected = false;
}

static void send_answer(struct client *client)
{
    ssize_t count = send(client->io.fd, client->answer + client->sent,
                         client->answer_length - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (count == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count > 0)
        client->sent += (size_t)count;
    if (count == -1 || client->sent == client->answer_length)
        drop(client);
}

static void begin_answer(struct client *client)
{
    ev_io_stop(process.loop, &client->io);
    ev_io_set(&client->io, client->io.fd, EV_WRITE);
    ev_io_start(process.loop, &client->io);
    send_answer(client);
}

/* ---- orders ---- */

static char *order_text(struct client *client, enum order_result *result_r, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);

    *result_r = ORDER_DONE;
    if (out == NULL)
        return NULL;
    *result_r = orders_take(client->request, process.start->pools, out, &client->order);
    if (*result_r == ORDER_PENDING && orders_are_done(&client->order)) {
        *result_r = ORDER_DONE;
        orders_finish(&client->order, out);
    }
    if (fclose(out) == 0 && *result_r == ORDER_DONE)
        return text;
    free(text);
    return NULL;
}

static void on_order_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct client *client = timer->data;
    bool is_late = clock_now_ms() >= client->order_deadline_ms;
    FILE *out;

    (void)events;
    if (!orders_are_done(&client->order) && !is_late)
        return;
    ev_timer_stop(loop, timer);
    out = open_memstream(&client->answer, &client->answer_length);
    if (out != NULL)
        orders_finish(&client->order, out);
    if (out == NULL || fclose(out) != 0)
        drop(client);
    else
        begin_answer(client);
}

/* The client gets its answer when the order is carried out, or does not succeed in time. */
static void wait_for_order(struct client *client)
{
    ev_io_stop(process.loop, &client->io);
    client->order_deadline_ms = clock_after_ms(ORDER_LIMIT_MS);
    ev_timer_start(process.loop, &client->order_tick);
}

/* ---- requests ---- */

/* The connection is the trace's from now on. */
static void give_to_trace(struct client *client)
{
    ev_io_stop(process.loop, &client->io);
    ev_timer_stop(process.loop, &client->limit);
    client->is_connected = false;
    trace_serve_begin(process.loop, client->io.fd, client->request);
}

/* The request line is complete, or too long. */
static void serve(struct client *client)
{
    enum order_result result;

    client->request[client->request_length] = '\0';
    client->request[strcspn(client->request, "\r\n")] = '\0';
    order_log_write(client->request, client->io.fd);
    if (trace_serve_is_request(client->request)) {
        give_to_trace(client);
        return;
    }
    client->answer = order_text(client, &result, &client->answer_length);
    if (result == ORDER_UNKNOWN)
        client->answer = make_answer(find_render(client->request), &client->answer_length);
    if (result == ORDER_PENDING)
        wait_for_order(client);
    else if (client->answer == NULL)
        drop(client);
    else
        begin_answer(client);
}

static void read_request(struct client *client)
{
    size_t room = sizeof(client->request) - 1 - client->request_length;
    ssize_t count =
        recv(client->io.fd, client->request + client->request_length, room, MSG_DONTWAIT);

    if (count == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        drop(client);
        return;
    }
    client->request_length += (size_t)count;
    if (memchr(client->request, '\n', client->request_length) != NULL ||
        client->request_length == sizeof(client->request) - 1)
        serve(client);
}

static void on_client(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct client *client = watcher->data;

    (void)loop;
    (void)events;
    if (client->answer == NULL)
        read_request(client);
    else
        send_answer(client);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    drop(timer->data);
}

/* A free entry; where there is none, the oldest client's, who is dropped. */
static struct client *make_room(void)
{
    struct client *oldest = &process.clients[0];

    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &process.clients[i];
        if (!client->is_connected)
            return client;
        if (client->number < oldest->number)
            oldest = client;
    }
    drop(oldest);
    return oldest;
}

static void add_client(int fd)
{
    struct client *client = make_room();

    *client = (struct client){.is_connected = true, .number = process.clients_seen++};
    orders_init(&client->order);
    ev_io_init(&client->io, on_client, fd, EV_READ);
    ev_timer_init(&client->limit, on_limit, CLIENT_LIMIT_S, 0.0);
    ev_timer_init(&client->order_tick, on_order_tick, ORDER_TICK_S, ORDER_TICK_S);
    client->io.data = client->limit.data = client->order_tick.data = client;
    ev_io_start(process.loop, &client->io);
    ev_timer_start(process.loop, &client->limit);
}

static void on_accept_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    if (!process.is_leaving)
        ev_io_start(loop, &process.control);
}

static void on_control(struct ev_loop *loop, ev_io *watcher, int events)
{
    int fd = accept4(watcher->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd != -1) {
        add_client(fd);
        return;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    /* There are no descriptors or no memory: to try again at once would only burn the processor. */
    ev_io_stop(loop, watcher);
    ev_timer_set(&process.accept_pause, ACCEPT_PAUSE_S, 0.0);
    ev_timer_start(loop, &process.accept_pause);
}

/* ---- leaving ---- */

static bool is_busy(void)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (process.clients[i].is_connected)
            return true;
    return metrics_http_is_busy();
}

static void before_sleep(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)watcher;
    (void)events;
    if (process.is_leaving && !is_busy())
        ev_break(loop, EVBREAK_ALL);
}

static void on_leave_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void on_told(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    ev_io_stop(loop, watcher);
    process.is_leaving = true;
    ev_timer_stop(loop, &process.history);
    trace_serve_end_all("the server has read its settings again, or stops");
    ev_io_stop(loop, &process.control);
    if (process.start->control_fd != -1)
        close(process.start->control_fd);
    if (process.start->metrics_fd != -1)
        metrics_http_stop();
    ev_timer_start(loop, &process.leave_limit);
}

/* ---- the process ---- */

/* The word to leave stays blocked and is read from the descriptor that this returns; -1: errno. */
static int set_signals(void)
{
    static const int own[] = {STATUS_SIGNAL_LEAVE};
    sigset_t told;

    child_reset_signals(own, sizeof(own) / sizeof(own[0]));
    sigemptyset(&told);
    sigaddset(&told, STATUS_SIGNAL_LEAVE);
    sigprocmask(SIG_SETMASK, &told, NULL);
    return signalfd(-1, &told, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int confine(const struct status_process *start)
{
    int keep[] = {start->control_fd, start->metrics_fd, start->wake_fd, hold_descriptor(),
                  kick_relay_descriptor(), trace_read_descriptor()};
    struct error error;

    status_certificates_take(start->pools);
    child_drop_descriptors(keep, sizeof(keep) / sizeof(keep[0]));
    tls_keep_only(NULL, 0);
    if (child_drop_rights(NULL, start->uid, start->gid, &error) == 0)
        return 0;
    log_repeat_message(EVENT_PRIVILEGES, "%s", error.text);
    return -1;
}

static void serve_control(int fd)
{
    ev_init(&process.accept_pause, on_accept_pause_over);
    ev_io_init(&process.control, on_control, fd, EV_READ);
    if (fd != -1)
        ev_io_start(process.loop, &process.control);
}

static void on_history(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    status_history_add(process.start->history, process.start->pools);
}

/* Points are only taken for a page that shows them. */
static void serve_page(const struct status_process *start)
{
    ev_timer_init(&process.history, on_history, 0.0, HISTORY_STEP_S);
    status_page_open(start->page, take_view, start->history);
    if (start->page != STATUS_PAGE_NO && start->history != NULL)
        ev_timer_start(process.loop, &process.history);
}

/* Where the library is missing, the control socket still has the metrics. */
static void serve_metrics(int fd)
{
    struct error error;

    if (fd != -1 && metrics_http_start(process.loop, fd, metrics_text, &error) == -1)
        log_message(EVENT_STATUS, "metrics_listen: %s", error.text);
}

/* The libraries are loaded by now. The process reads what /proc says of others, sees no other file, and
 * connects to nobody. */
static int enter_sandbox(void)
{
    struct sandbox_view view = {.has_ports = true};
    struct error error;

    sandbox_view_add(&view, "/proc", false);
    if (sandbox_enter(SANDBOX_STATUS, &view, &error) == 0)
        return 0;
    log_message_at(LOG_LEVEL_ALERT, EVENT_SANDBOX, "%s", error.text);
    return -1;
}

int status_process_run(const struct status_process *start)
{
    int told_fd;

    process.start = start;
    if (confine(start) == -1)
        return EX_OSERR;
    told_fd = set_signals();
    orders_open(start->wake_fd);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != start->master_pid)
        return EX_OK;
    /* Not the default loop, which is a copy of the master's with all its watchers. */
    process.loop = ev_loop_new(EVFLAG_AUTO);
    if (told_fd == -1 || process.loop == NULL) {
        log_message(EVENT_STATUS, "the process cannot start: %s", strerror(errno));
        return EX_OSERR;
    }
    ev_io_init(&process.told, on_told, told_fd, EV_READ);
    ev_io_start(process.loop, &process.told);
    ev_timer_init(&process.leave_limit, on_leave_limit, LEAVE_LIMIT_S, 0.0);
    ev_prepare_init(&process.before_sleep, before_sleep);
    ev_prepare_start(process.loop, &process.before_sleep);
    serve_control(start->control_fd);
    serve_page(start);
    serve_metrics(start->metrics_fd);
    if (enter_sandbox() == -1)
        return EX_OSERR;
    ev_run(process.loop, 0);
    return EX_OK;
}
