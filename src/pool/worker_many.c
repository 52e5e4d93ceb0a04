/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of a worker that serves many sessions at once. Each is a task of the scheduler, written
 * as if it had the process to itself.
 *
 * The worker listens while it has a free place and is not paused. Signals are read from a
 * descriptor, in their turn like everything else, so none is lost and no handler runs. A worker
 * that is told to retire says so in its slot, where the master sees that it needs another one, and
 * leaves with its last session.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_repeat.h"
#include "io/scheduler.h"
#include "pool/place.h"
#include "pool/worker.h"
#include "pool/worker_kinds.h"

enum {
    /* Connections taken in one turn at most. The number begins with one and doubles while more are
     * found, so that a single connection costs no accept() that finds none. */
    ACCEPT_MAX = 32,
    ACCEPT_PAUSE_MS = 50,
    DESCRIPTORS_A_SESSION = CONF_DESCRIPTORS_A_SESSION,
    DESCRIPTORS_SPARE = 2, /* so many times more can be waited for */
    DESCRIPTORS_BESIDES = CONF_DESCRIPTORS_BESIDES,
};

/* One session. It lies at the top of its own stack. */
struct tenant {
    struct task task;
    struct place place;
    size_t index; /* of the place */
    int fd;
    struct address client;
    struct session session;
};

_Static_assert(sizeof(struct tenant) <= COROUTINE_OBJECT_BYTES, "fits on the stack");

static struct {
    struct worker *worker;
    struct watcher listener;
    struct watcher signals;
    struct watcher pause_over; /* a timer, set while the worker is paused */
    bool is_listening;
    bool is_paused; /* accept() has failed, and would fail again if it was tried at once */
    bool is_retiring;
    bool is_stopping;
    size_t accept_batch;
    int64_t sessions_left; /* before it retires; 0: no limit */
    size_t place_count;
    struct tenant **tenants; /* by the index of the place */
    size_t *free_places;     /* a stack: what was used last is used next */
    size_t free_count;
    size_t first_unused; /* no place from this index on was ever used */
} many;

/* ---- places ---- */

static size_t take_place(void)
{
    struct scoreboard_slot *slot = many.worker->slot;

    atomic_store(&slot->session_count, atomic_load(&slot->session_count) + 1);
    if (many.free_count > 0)
        return many.free_places[--many.free_count];
    atomic_store(&slot->slots_used, (uint32_t)many.first_unused + 1);
    return many.first_unused++;
}

static void give_place(size_t index)
{
    struct scoreboard_slot *slot = many.worker->slot;

    many.tenants[index] = NULL;
    many.free_places[many.free_count++] = index;
    atomic_store(&slot->session_count, atomic_load(&slot->session_count) - 1);
}

static bool has_place(void)
{
    return many.free_count > 0 || many.first_unused < many.place_count;
}

/* ---- listening ---- */

/* There are no descriptors or no memory: trying again at once would only use up the processor.
 * Until the timer ends the pause, connections wait in the backlog or go to other workers. */
static void pause_listening(void)
{
    struct itimerspec pause = {.it_value = {.tv_nsec = ACCEPT_PAUSE_MS * 1000000L}};

    worker_accept_failed(many.worker);
    many.is_paused = timerfd_settime(many.pause_over.fd, 0, &pause, NULL) == 0;
}

static void stop_listening(void)
{
    scheduler_unwatch(&many.listener);
    worker_count_out(many.worker);
    many.is_listening = false;
}

static void start_listening(void)
{
    if (scheduler_watch(&many.listener, true) == -1) {
        pause_listening();
        return;
    }
    worker_count_in(many.worker);
    many.is_listening = true;
}

static void listen_if_possible(void)
{
    bool should_listen = has_place() && !many.is_paused && !many.is_retiring;

    if (should_listen && !many.is_listening)
        start_listening();
    else if (!should_listen && many.is_listening)
        stop_listening();
}

static void on_pause_over(void *context)
{
    uint64_t count;

    (void)context;
    (void)!read(many.pause_over.fd, &count, sizeof(count));
    many.is_paused = false;
    listen_if_possible();
}

/* ---- one session ---- */

static void end_session(struct tenant *tenant, enum outcome outcome)
{
    place_end(&tenant->place, &tenant->session, outcome);
    scoreboard_set_state(tenant->place.slot, SCOREBOARD_FREE);
    give_place(tenant->index);
    listen_if_possible();
}

static void run_session(struct task *task)
{
    struct tenant *tenant = (struct tenant *)task;
    struct session_start start = worker_session_start(many.worker, &tenant->place, &tenant->client);

    end_session(tenant, session_run(&tenant->session, &start, tenant->fd, tenant->fd));
}

/* Returns -1 when there is no memory. */
static int begin_session(int fd, const struct address *client)
{
    struct tenant *tenant = task_new(sizeof(*tenant), run_session);
    struct scoreboard_slot *slot;

    if (tenant == NULL)
        return -1;
    tenant->fd = fd;
    tenant->client = *client;
    tenant->index = take_place();
    many.tenants[tenant->index] = tenant;
    slot = &many.worker->slot[1 + tenant->index];
    place_init(&tenant->place, many.worker->pool, slot);
    place_begin(&tenant->place, fd);
    atomic_fetch_add(&many.worker->slot->session, 1);
    scoreboard_set_state(slot, SCOREBOARD_BUSY);
    return 0;
}

/* ---- connections ---- */

static void retire(void);

/* Returns whether there may be more connections. */
static bool take_connection(void)
{
    struct address client;
    /* Nothing that is written to one client may delay the others, and splice() has no flag for that. */
    int fd = worker_accept(many.listener.fd, &client, SOCK_NONBLOCK);

    if (fd == -1) {
        if (errno == EAGAIN)
            return false;
        if (worker_is_connection_error(errno))
            return true;
        pause_listening();
        return false;
    }
    if (begin_session(fd, &client) == -1) {
        pause_listening();
        close(fd);
        return false;
    }
    if (many.sessions_left > 0 && --many.sessions_left == 0)
        retire();
    return many.is_listening;
}

static void on_connections(void *context)
{
    size_t taken = 0;

    (void)context;
    while (taken < many.accept_batch && has_place() && take_connection())
        taken++;
    if (taken < many.accept_batch)
        many.accept_batch = 1;
    else if (many.accept_batch < ACCEPT_MAX)
        many.accept_batch *= 2;
    listen_if_possible();
}

/* ---- signals ---- */

/* The socket is closed at once: the port is free as soon as all workers have done so. */
static void retire(void)
{
    uint64_t one = 1;

    if (many.is_retiring)
        return;
    many.is_retiring = true;
    listen_if_possible();
    close(many.listener.fd);
    scoreboard_set_state(many.worker->slot, SCOREBOARD_LEAVING);
    (void)!write(many.worker->pool->notify_fd, &one, sizeof(one));
}

static void stop(void)
{
    retire();
    if (many.is_stopping)
        return; /* told again: each session knows, and may be sending its last reply */
    many.is_stopping = true;
    for (size_t i = 0; i < many.first_unused; i++)
        if (many.tenants[i] != NULL)
            many.tenants[i]->place.is_stopping = 1;
    scheduler_stop_tasks();
}

static void end_marked(void)
{
    for (size_t i = 0; i < many.first_unused; i++) {
        struct tenant *tenant = many.tenants[i];

        if (tenant != NULL && place_is_told(&tenant->place))
            task_stop(&tenant->task);
    }
}

static void on_signal(void *context)
{
    struct signalfd_siginfo info;

    (void)context;
    while (read(many.signals.fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == WORKER_SIGNAL_STOP)
            stop();
        else if (info.ssi_signo == WORKER_SIGNAL_RETIRE)
            retire();
        else if (info.ssi_signo == WORKER_SIGNAL_SHED)
            end_marked();
    }
}

static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, WORKER_SIGNAL_STOP);
    sigaddset(&signals, WORKER_SIGNAL_RETIRE);
    sigaddset(&signals, WORKER_SIGNAL_SHED);
    sigprocmask(SIG_SETMASK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- the worker ---- */

/* Root may raise the limit, others up to its ceiling. Returns how many places have descriptors. */
static size_t raise_descriptor_limit(size_t places)
{
    rlim_t needed = places * DESCRIPTORS_A_SESSION + DESCRIPTORS_BESIDES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return places;
    if (limit.rlim_cur < needed) {
        struct rlimit raised = {.rlim_cur = needed,
                                .rlim_max = limit.rlim_max < needed ? needed : limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == -1) {
            raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &raised);
        }
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return places;
    places = 1;
    if (limit.rlim_cur > DESCRIPTORS_BESIDES + DESCRIPTORS_A_SESSION)
        places = (limit.rlim_cur - DESCRIPTORS_BESIDES) / DESCRIPTORS_A_SESSION;
    log_message_at(LOG_LEVEL_WARNING, EVENT_WORKER,
                   "the limit of open files leaves room for %zu sessions_per_worker", places);
    return places;
}

int worker_many_prepare(const struct worker *worker)
{
    many.place_count = raise_descriptor_limit(worker->pool->places);
    many.signals = (struct watcher){.fd = open_signals(), .on_ready = on_signal};
    many.listener = (struct watcher){.fd = worker->pool->listener->fd, .on_ready = on_connections};
    /* Another worker may have been quicker: then accept() must not sleep. */
    (void)fcntl(many.listener.fd, F_SETFL, fcntl(many.listener.fd, F_GETFL) | O_NONBLOCK);
    many.tenants = calloc(many.place_count, sizeof(many.tenants[0]));
    many.free_places = calloc(many.place_count, sizeof(many.free_places[0]));
    if (many.tenants == NULL || many.free_places == NULL)
        return -1;
    return many.signals.fd;
}

static bool is_over(void)
{
    return many.is_retiring && scheduler_tasks() == 0;
}

int worker_many_run(struct worker *worker)
{
    const struct conf_values *values = worker->pool->instance->values;
    size_t descriptors =
        (many.place_count * DESCRIPTORS_A_SESSION + DESCRIPTORS_BESIDES) * DESCRIPTORS_SPARE;

    many.worker = worker;
    many.accept_batch = 1;
    many.sessions_left = values->max_sessions * values->sessions_per_worker;
    many.pause_over =
        (struct watcher){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                         .on_ready = on_pause_over};
    if (many.pause_over.fd == -1 || scheduler_open(descriptors) == -1 ||
        scheduler_watch(&many.signals, false) == -1 ||
        scheduler_watch(&many.pause_over, false) == -1) {
        log_repeat_message(EVENT_WORKER, "%s", strerror(errno));
        return EX_OSERR;
    }
    listen_if_possible();
    scheduler_run(is_over);
    return EX_OK;
}
