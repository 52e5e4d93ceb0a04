/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs c-ares on libev's loop. A channel of c-ares reads resolv.conf only when it is opened. So a
 * changed file opens another channel, and the old one stays until its last question is answered.
 *
 * c-ares is asked for one family and one full name at a time. Given both families it answers only
 * once both are done, and given a search list it tries that for a family that the name lacks.
 */
#include "helper/lookup.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "io/dial.h"

enum {
    QUESTION_TIMEOUT_MS = 1000, /* doubled at each try: a login that joins a question whose packet
                                   was lost still gets the answer to the next one in time */
    QUESTION_TRIES = 4,
    ADDRESSES_MAX = 2 * DIAL_ADDRESSES_MAX, /* both families */
};

struct channel {
    struct channel *next;
    ares_channel dns;
    ares_channel hosts;
    struct ares_options conf; /* the search list, ndots and the order, as c-ares has read them */
    ev_timer timer;
    struct channel_fd *fds;
    unsigned pending;
};

/* A descriptor of c-ares. */
struct channel_fd {
    ev_io io;
    struct channel_fd *next;
};

struct question {
    struct channel *channel;
    lookup_answered *answered;
    void *context;
};

static struct {
    struct ev_loop *loop;
    struct channel *channels; /* the first one is in use, the others finish their questions */
    ev_prepare sweep;
    struct stat conf;
    unsigned changes;
    bool is_ending;
} state;

/* ---- c-ares on the loop ---- */

static void set_timer(struct channel *channel)
{
    struct timeval left;

    ev_timer_stop(state.loop, &channel->timer);
    if (ares_timeout(channel->dns, NULL, &left) == NULL)
        return;
    ev_timer_set(&channel->timer, (double)left.tv_sec + (double)left.tv_usec / 1e6 + 0.001, 0.0);
    ev_timer_start(state.loop, &channel->timer);
}

static void on_fd(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct channel *channel = watcher->data;
    ares_socket_t fd = watcher->fd;

    (void)loop;
    ares_process_fd(channel->dns, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    set_timer(channel);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct channel *channel = watcher->data;

    (void)loop;
    (void)events;
    ares_process_fd(channel->dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(channel);
}

static struct channel_fd **find_fd(struct channel *channel, int fd)
{
    struct channel_fd **link = &channel->fds;

    while (*link != NULL && (*link)->io.fd != fd)
        link = &(*link)->next;
    return link;
}

/* c-ares says which of its sockets to watch, and for what; neither: it closes the socket. */
static void on_fd_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct channel *channel = context;
    struct channel_fd **link = find_fd(channel, fd);
    struct channel_fd *watched = *link;

    if (watched == NULL) {
        watched = calloc(1, sizeof(*watched));
        if (watched == NULL)
            return; /* the question ends at its time limit */
        ev_io_init(&watched->io, on_fd, fd, 0);
        watched->io.data = channel;
        *link = watched;
    }
    ev_io_stop(state.loop, &watched->io);
    if (!readable && !writable) {
        *link = watched->next;
        free(watched);
        return;
    }
    ev_io_set(&watched->io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    ev_io_start(state.loop, &watched->io);
}

/* ---- channels ---- */

static void close_channel(struct channel *channel)
{
    if (channel->dns != NULL)
        ares_destroy(channel->dns); /* answers what is under way */
    if (channel->hosts != NULL)
        ares_destroy(channel->hosts);
    ares_destroy_options(&channel->conf);
    ev_timer_stop(state.loop, &channel->timer);
    free(channel);
}

static bool open_hosts(struct channel *channel)
{
    char files_only[] = "f";
    struct ares_options options = {.lookups = files_only};

    return ares_init_options(&channel->hosts, &options, ARES_OPT_LOOKUPS) == ARES_SUCCESS;
}

static bool open_dns(struct channel *channel)
{
    char dns_only[] = "b";
    struct ares_options options = {
        .timeout = QUESTION_TIMEOUT_MS,
        .tries = QUESTION_TRIES,
        .lookups = dns_only,
        .sock_state_cb = on_fd_state,
        .sock_state_cb_data = channel,
    };

    return ares_init_options(&channel->dns, &options,
                             ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                 ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS;
}

/* The system's settings, which the two channels override in part. */
static bool read_conf(struct channel *channel)
{
    ares_channel plain;
    bool is_read;
    int mask;

    if (ares_init(&plain) != ARES_SUCCESS)
        return false;
    is_read = ares_save_options(plain, &channel->conf, &mask) == ARES_SUCCESS &&
              channel->conf.lookups != NULL;
    ares_destroy(plain);
    return is_read;
}

static bool open_channel(void)
{
    struct channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return false;
    ev_timer_init(&channel->timer, on_timer, 0.0, 0.0);
    channel->timer.data = channel;
    if (!read_conf(channel) || !open_dns(channel) || !open_hosts(channel)) {
        close_channel(channel);
        return false;
    }
    channel->next = state.channels;
    state.channels = channel;
    return true;
}

/* Closes old channels that have answered everything. Runs before the loop sleeps: c-ares cannot
 * close a channel that has called us. */
static void on_sweep(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct channel **link = &state.channels->next;

    (void)events;
    while (*link != NULL) {
        struct channel *old = *link;

        if (old->pending > 0) {
            link = &old->next;
            continue;
        }
        *link = old->next;
        close_channel(old);
    }
    if (state.channels->next == NULL)
        ev_prepare_stop(loop, watcher);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

unsigned lookup_follow_conf(void)
{
    struct stat now;

    if (stat("/etc/resolv.conf", &now) == -1 || is_same_file(&now, &state.conf) || !open_channel())
        return state.changes;
    state.conf = now;
    ev_prepare_start(state.loop, &state.sweep);
    return ++state.changes;
}

int lookup_init(struct ev_loop *loop)
{
    state.loop = loop;
    ev_prepare_init(&state.sweep, on_sweep);
    (void)stat("/etc/resolv.conf", &state.conf);
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || !open_channel()) {
        log_message(EVENT_RESOLVER_FAILED, "the resolver library cannot be set up");
        return -1;
    }
    return 0;
}

void lookup_end(void)
{
    state.is_ending = true;
    ev_prepare_stop(state.loop, &state.sweep);
    while (state.channels != NULL) {
        struct channel *channel = state.channels;

        state.channels = channel->next;
        close_channel(channel);
    }
    ares_library_cleanup();
}

/* ---- what to ask, and where ---- */

struct lookup_order lookup_order(void)
{
    const char *order = state.channels->conf.lookups;
    const char *hosts = strchr(order, 'f');
    const char *dns = strchr(order, 'b');

    return (struct lookup_order){
        .is_hosts_first = hosts != NULL && (dns == NULL || hosts < dns),
        .is_hosts_last = hosts != NULL && dns != NULL && dns < hosts,
        .is_dns = dns != NULL,
    };
}

static int count_dots(const char *host)
{
    int dots = 0;

    for (; *host != '\0'; host++)
        dots += *host == '.';
    return dots;
}

/* The dot at the end makes the name a full one: c-ares appends no domain to it. */
static bool make_name(char name[LOOKUP_NAME_SIZE], const char *host, const char *domain)
{
    int length = domain == NULL || *domain == '\0' || strcmp(domain, ".") == 0
                     ? snprintf(name, LOOKUP_NAME_SIZE, "%s.", host)
                     : snprintf(name, LOOKUP_NAME_SIZE, "%s.%s.", host, domain);

    if (length < 2 || length >= LOOKUP_NAME_SIZE)
        return false;
    if (name[length - 2] == '.')
        name[length - 1] = '\0'; /* the domain had a dot at its end */
    return true;
}

bool lookup_candidate(const char *host, size_t index, char name[LOOKUP_NAME_SIZE])
{
    const struct ares_options *conf = &state.channels->conf;
    size_t domains = conf->ndomains > 0 ? (size_t)conf->ndomains : 0;
    bool is_full_first = count_dots(host) >= conf->ndots;
    size_t full = is_full_first ? 0 : domains;

    if (index > domains)
        return false;
    if (index == full)
        return make_name(name, host, NULL);
    return make_name(name, host, conf->domains[is_full_first ? index - 1 : index]);
}

/* ---- questions and answers ---- */

static size_t copy_addresses(const struct ares_addrinfo *found, struct address *list,
                             int64_t *ttl_s_r)
{
    size_t count = 0;

    for (const struct ares_addrinfo_node *node = found->nodes;
         node != NULL && count < ADDRESSES_MAX; node = node->ai_next) {
        struct address *address = &list[count];

        if (node->ai_addrlen > sizeof(address->storage))
            continue;
        memset(address, 0, sizeof(*address));
        memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
        address->length = (socklen_t)node->ai_addrlen;
        if (count == 0 || node->ai_ttl < *ttl_s_r)
            *ttl_s_r = node->ai_ttl;
        count++;
    }
    return count;
}

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *found)
{
    struct question question = *(struct question *)context;
    struct address list[ADDRESSES_MAX];
    struct lookup_answer answer = {.status = LOOKUP_NONE, .list = list};

    (void)timeouts;
    free(context);
    question.channel->pending--;
    answer.is_old = question.channel != state.channels;
    if (status == ARES_SUCCESS)
        answer.count = copy_addresses(found, list, &answer.ttl_s);
    ares_freeaddrinfo(found);
    if (answer.count > 0) {
        answer.status = LOOKUP_FOUND;
    } else if (status != ARES_SUCCESS && status != ARES_ENOTFOUND && status != ARES_ENODATA) {
        answer.status = LOOKUP_FAILED;
        answer.error = state.is_ending ? NULL : ares_strerror(status);
    }
    question.answered(question.context, &answer);
}

static void ask(ares_channel channel, const char *name, int family, lookup_answered *answered,
                void *context)
{
    static const struct lookup_answer no_memory = {.status = LOOKUP_FAILED,
                                                   .error = "out of memory"};
    struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct question *question = malloc(sizeof(*question));

    if (question == NULL) {
        answered(context, &no_memory);
        return;
    }
    *question =
        (struct question){.channel = state.channels, .answered = answered, .context = context};
    question->channel->pending++;
    ares_getaddrinfo(channel, name, NULL, &hints, on_answer, question);
}

void lookup_ask_hosts(const char *host, lookup_answered *answered, void *context)
{
    ask(state.channels->hosts, host, AF_UNSPEC, answered, context);
}

void lookup_ask(const char *name, int family, lookup_answered *answered, void *context)
{
    struct channel *channel = state.channels;

    ask(channel->dns, name, family, answered, context);
    set_timer(channel);
}
