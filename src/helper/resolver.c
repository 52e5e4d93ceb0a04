/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs c-ares on libev's loop, and keeps a cache. Sessions that ask for a name that is being looked
 * up wait for the same answer, so a thousand sessions for one server cause one query in each TTL.
 */
#include "helper/resolver.h"

#include <ares.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "helper/helper.h"
#include "helper/job.h"

enum {
    BUCKETS = 1024,
    NAMES_MAX = 4096,
    TTL_MIN_S = 5, /* for /etc/hosts too, and for a name that has no address */
    TTL_MAX_S = 3600,
    QUERY_TIMEOUT_MS = 1000, /* doubled at each try: a login that joins a lookup whose query was
                                lost still gets the answer to the next one in time */
    QUERY_TRIES = 4,
};

/* A part of the helper that waits for a lookup. */
struct asker {
    struct asker *next;
    resolver_answered *answer;
    void *context;
};

struct name {
    struct name *next;
    bool is_under_way;                  /* it is being looked up */
    struct job_list jobs;               /* that wait for this */
    struct asker *askers;               /* the same, without a job of their own */
    char session[MESSAGE_SESSION_SIZE]; /* that the last lookup was begun for */
    int64_t expires_ms;
    struct helper_addresses addresses;
    char host[];
};

/* A descriptor of c-ares. */
struct query_fd {
    ev_io io;
    struct query_fd *next;
};

static struct {
    struct ev_loop *loop;
    ares_channel channel;
    struct timespec conf_changed;
    ev_timer timer;
    struct query_fd *fds;
    struct name *buckets[BUCKETS];
    unsigned names;
    unsigned pending;
} state;

/* ---- c-ares on the loop ---- */

static void set_timer(void)
{
    struct timeval left;

    ev_timer_stop(state.loop, &state.timer);
    if (ares_timeout(state.channel, NULL, &left) == NULL)
        return;
    ev_timer_set(&state.timer, (double)left.tv_sec + (double)left.tv_usec / 1e6 + 0.001, 0.0);
    ev_timer_start(state.loop, &state.timer);
}

static void on_query_fd(struct ev_loop *loop, ev_io *watcher, int events)
{
    ares_socket_t fd = watcher->fd;

    (void)loop;
    ares_process_fd(state.channel, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    set_timer();
}

static void on_query_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    ares_process_fd(state.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer();
}

static struct query_fd **find_query_fd(int fd)
{
    struct query_fd **link = &state.fds;

    while (*link != NULL && (*link)->io.fd != fd)
        link = &(*link)->next;
    return link;
}

/* c-ares says which of its sockets to watch, and for what; neither: it closes the socket. */
static void on_query_fd_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct query_fd **link = find_query_fd(fd);
    struct query_fd *query = *link;

    (void)context;
    if (query == NULL) {
        query = calloc(1, sizeof(*query));
        if (query == NULL)
            return; /* the query ends at its time limit */
        ev_io_init(&query->io, on_query_fd, fd, 0);
        *link = query;
    }
    ev_io_stop(state.loop, &query->io);
    if (!readable && !writable) {
        *link = query->next;
        free(query);
        return;
    }
    ev_io_set(&query->io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    ev_io_start(state.loop, &query->io);
}

static int open_channel(void)
{
    struct ares_options options = {
        .timeout = QUERY_TIMEOUT_MS,
        .tries = QUERY_TRIES,
        .sock_state_cb = on_query_fd_state,
    };

    return ares_init_options(&state.channel, &options,
                             ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) ==
                   ARES_SUCCESS
               ? 0
               : -1;
}

/* A channel reads resolv.conf only when it is opened: open another one once the file has changed.
 */
static void follow_resolv_conf(void)
{
    struct stat now;
    ares_channel old = state.channel;

    if (state.pending > 0 || stat("/etc/resolv.conf", &now) == -1 ||
        (now.st_mtim.tv_sec == state.conf_changed.tv_sec &&
         now.st_mtim.tv_nsec == state.conf_changed.tv_nsec))
        return;
    state.conf_changed = now.st_mtim;
    if (open_channel() == -1)
        state.channel = old;
    else
        ares_destroy(old);
}

int resolver_init(struct ev_loop *loop)
{
    struct stat now;

    state.loop = loop;
    ev_timer_init(&state.timer, on_query_timer, 0.0, 0.0);
    if (stat("/etc/resolv.conf", &now) == 0)
        state.conf_changed = now.st_mtim;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || open_channel() == -1) {
        log_message(EVENT_RESOLVER_FAILED, "the resolver library cannot be set up");
        return -1;
    }
    return 0;
}

/* ---- the cache ---- */

static size_t bucket_of(const char *host)
{
    return hash_text(host) % BUCKETS;
}

static struct name *find_name(const char *host)
{
    struct name *name = state.buckets[bucket_of(host)];

    while (name != NULL && strcmp(name->host, host) != 0)
        name = name->next;
    return name;
}

static bool has_answer(const struct name *name)
{
    return !name->is_under_way && clock_now_ms() < name->expires_ms;
}

/* A name that a session may ask for again soon. */
static bool is_of_use(const struct name *name)
{
    return name->is_under_way || (has_answer(name) && name->addresses.count > 0);
}

static bool is_under_way(const struct name *name)
{
    return name->is_under_way;
}

static void forget_names_but(bool (*is_kept)(const struct name *name))
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct name **link = &state.buckets[i];
        while (*link != NULL) {
            struct name *name = *link;
            if (is_kept(name)) {
                link = &name->next;
                continue;
            }
            *link = name->next;
            free(name);
            state.names--;
        }
    }
}

/* Names that do not exist go first: a client may send any number of them. */
static void make_room(void)
{
    if (state.names >= NAMES_MAX)
        forget_names_but(is_of_use);
    if (state.names >= NAMES_MAX)
        forget_names_but(is_under_way);
}

static struct name *add_name(const char *host)
{
    size_t length = strlen(host) + 1;
    struct name *name = calloc(1, sizeof(*name) + length);
    struct name **bucket = &state.buckets[bucket_of(host)];

    if (name == NULL)
        return NULL;
    memcpy(name->host, host, length);
    name->next = *bucket;
    *bucket = name;
    state.names++;
    return name;
}

static struct name *find_or_add(const char *host)
{
    struct name *name;

    make_room();
    name = find_name(host);
    return name != NULL ? name : add_name(host);
}

/* ---- questions and answers ---- */

static void answer_askers(struct name *name)
{
    const struct helper_addresses addresses = name->addresses; /* a part may let go of the name */
    struct asker *asker = name->askers;
    struct job *job;

    name->askers = NULL;
    while ((job = name->jobs.first) != NULL) {
        job_list_remove(&name->jobs, job);
        (void)job_answer(job, MESSAGE_ADDRESSES, &addresses, sizeof(addresses));
        job_end(job);
    }
    while (asker != NULL) {
        struct asker *next = asker->next;
        asker->answer(asker->context, &addresses);
        free(asker);
        asker = next;
    }
}

static void keep_addresses(struct name *name, const struct ares_addrinfo *found)
{
    struct helper_addresses *addresses = &name->addresses;
    const struct ares_addrinfo_node *node;
    int64_t ttl_s = TTL_MAX_S;

    addresses->count = 0;
    for (node = found->nodes; node != NULL && addresses->count < DIAL_ADDRESSES_MAX;
         node = node->ai_next) {
        struct address *address = &addresses->list[addresses->count];
        if (node->ai_addrlen > sizeof(address->storage))
            continue;
        memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
        address->length = (socklen_t)node->ai_addrlen;
        addresses->count++;
        if (node->ai_ttl < ttl_s)
            ttl_s = node->ai_ttl;
    }
    addresses->ttl_s = ttl_s < TTL_MIN_S ? TTL_MIN_S : ttl_s;
}

static void log_failure(const struct name *name, const char *error)
{
    struct log_line line;

    log_begin(&line, EVENT_RESOLVE_FAILED);
    log_add(&line, "session", name->session);
    log_add(&line, "name", name->host);
    log_add_text(&line, "error", error);
    log_end(&line);
}

static void on_resolved(void *context, int status, int timeouts, struct ares_addrinfo *found)
{
    struct name *name = context;
    bool is_final = status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA;
    int64_t ttl_s = 0; /* where no resolver answers, the next session asks again */

    (void)timeouts;
    state.pending--;
    name->is_under_way = false;
    name->addresses = (struct helper_addresses){.ttl_s = TTL_MIN_S};
    if (status == ARES_SUCCESS)
        keep_addresses(name, found);
    if (is_final)
        ttl_s = name->addresses.ttl_s;
    else if (status != ARES_EDESTRUCTION)
        log_failure(name, ares_strerror(status));
    name->expires_ms = clock_after_ms(ttl_s * 1000);
    answer_askers(name);
    ares_freeaddrinfo(found);
}

/* The session that asks has ended. Where the lookup was begun for it, the job goes on counting as
 * running until the lookup ends: a client cannot have more of them by leaving and coming back. */
static void on_asker_gone(struct job *job)
{
    struct name *name = job->owner;

    if (job->is_running) {
        job_release(job);
        return;
    }
    job_list_remove(&name->jobs, job);
    job_end(job);
}

static void add_job(struct name *name, struct job *job)
{
    job_take(job, name, on_asker_gone);
    job_list_add(&name->jobs, job);
}

static void start_lookup(struct name *name, const char *session)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    snprintf(name->session, sizeof(name->session), "%s", session);
    follow_resolv_conf();
    name->is_under_way = true;
    state.pending++;
    ares_getaddrinfo(state.channel, name->host, NULL, &hints, on_resolved, name);
    set_timer();
}

bool resolver_answer_known(const char *host, int answer_fd)
{
    const struct name *name = find_name(host);

    if (name == NULL || !has_answer(name))
        return false;
    (void)job_send(answer_fd, MESSAGE_ADDRESSES, &name->addresses, sizeof(name->addresses));
    close(answer_fd);
    return true;
}

bool resolver_join(struct job *job, const char *host)
{
    struct name *name = find_name(host);

    if (name == NULL || !name->is_under_way)
        return false;
    add_job(name, job);
    return true;
}

void resolver_start(struct job *job)
{
    const char *host = message_get(&job->request);
    struct name *name;

    if (resolver_join(job, host))
        return;
    name = find_or_add(host);
    if (name == NULL) {
        job_end(job);
        return;
    }
    add_job(name, job);
    if (has_answer(name)) {
        answer_askers(name);
        return;
    }
    start_lookup(name, job->session);
}

void resolver_call(const char *session, const char *host, resolver_answered *answer, void *context)
{
    struct name *name = find_or_add(host);
    struct asker *asker = malloc(sizeof(*asker));

    if (name == NULL || asker == NULL) {
        free(asker);
        answer(context, NULL);
        return;
    }
    *asker = (struct asker){.next = name->askers, .answer = answer, .context = context};
    name->askers = asker;
    if (has_answer(name))
        answer_askers(name);
    else if (!name->is_under_way)
        start_lookup(name, session);
}

void resolver_end(void)
{
    ares_destroy(state.channel); /* ends what is under way, with an answer to each session */
    forget_names_but(is_under_way);
    ares_library_cleanup();
}
