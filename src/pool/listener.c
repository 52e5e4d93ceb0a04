/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets. Every accepted connection inherits the options set on them, TCP_NODELAY and a
 * bounded send buffer among them, so that a worker needs no calls for that.
 */
#include "pool/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/file.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/unix_socket.h"
#include "config.h"
#include "config/conf_listen.h"

#define LISTENERS "POP3_PROXY_LISTENERS" /* the name they are passed under */

enum { INHERITED_MAX = 1024, NAME_SIZE = 64, SYSTEMD_FIRST_FD = 3 };

/* A socket that was passed to this process and that no instance has taken yet. */
struct inherited {
    int fd; /* -1: taken */
    bool is_of_systemd;
    char name[NAME_SIZE];
    struct address address;
};

static struct listener *listeners;
static struct inherited inherited[INHERITED_MAX];
static size_t inherited_count;

const struct listener *listener_first(void)
{
    return listeners;
}

/* ---- what the environment passes on ---- */

static void add_inherited(int fd, bool is_of_systemd, const char *name)
{
    struct inherited *one = &inherited[inherited_count];
    struct address address;

    if (inherited_count == INHERITED_MAX || !address_of_own_end(fd, &address))
        return;
    /* The file status flags stay as they are: the workers of the previous binary may still use
     * them. */
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    *one = (struct inherited){.fd = fd, .is_of_systemd = is_of_systemd, .address = address};
    snprintf(one->name, sizeof(one->name), "%s", name);
    inherited_count++;
}

/* The descriptors that systemd passes, from 3 on, if they are meant for this very process; see
 * sd_listen_fds(3). Their names are separated by colons. */
static void inherit_from_systemd(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");

    if (pid != NULL && count != NULL && atol(pid) == (long)getpid()) {
        for (int i = 0; i < atoi(count); i++) {
            size_t width = names == NULL ? 0 : strcspn(names, ":");
            char name[NAME_SIZE];

            snprintf(name, sizeof(name), "%.*s", (int)width, names == NULL ? "" : names);
            add_inherited(SYSTEMD_FIRST_FD + i, true, name);
            if (names != NULL)
                names += width + (names[width] == ':');
        }
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static void inherit_from_upgrade(void)
{
    int fds[INHERITED_MAX];
    size_t count = inherit_take_all(LISTENERS, fds, INHERITED_MAX);

    for (size_t i = 0; i < count; i++)
        add_inherited(fds[i], false, "");
}

void listener_inherit(void)
{
    inherit_from_systemd();
    inherit_from_upgrade();
}

void listener_pass(void)
{
    for (const struct listener *l = listeners; l != NULL; l = l->next)
        inherit_pass(LISTENERS, l->fd, NULL);
}

/* The unit file and the configuration do not fit. */
static void warn_of_spare(const struct inherited *spare)
{
    char text[ADDRESS_TEXT_SIZE];

    log_message_at(LOG_LEVEL_WARNING, EVENT_CONFIGURATION,
                   "systemd has passed a socket that no instance takes: %s, FileDescriptorName=%s; "
                   "give an instance this name or this listen address",
                   address_text(&spare->address, text), spare->name);
}

void listener_close_spare(void)
{
    for (size_t i = 0; i < inherited_count; i++) {
        if (inherited[i].fd == -1)
            continue;
        if (inherited[i].is_of_systemd)
            warn_of_spare(&inherited[i]);
        close(inherited[i].fd);
    }
    inherited_count = 0;
}

static bool is_same_path(const struct address *a, const struct address *b)
{
    return a->sa.sa_family == AF_UNIX && b->sa.sa_family == AF_UNIX &&
           strcmp(a->local.sun_path, b->local.sun_path) == 0;
}

static bool is_same(const struct address *a, const struct address *b)
{
    return is_same_path(a, b) || (a->sa.sa_family != AF_UNIX && address_is_equal(a, b));
}

/* Port 0 is any port, also the one that the kernel has chosen before. */
static bool suits(const struct address *bound, const struct address *wanted)
{
    struct address filled_in = *wanted;

    if (address_port(wanted) == 0)
        address_set_port(&filled_in, address_port(bound));
    return is_same(bound, &filled_in);
}

/* A socket named after the instance, or bound to its address. */
static int take_if(bool (*is_wanted)(const struct inherited *one, const char *name,
                                     const struct address *address),
                   const char *name, const struct address *address)
{
    for (size_t i = 0; i < inherited_count; i++) {
        struct inherited *one = &inherited[i];
        if (one->fd == -1 || !is_wanted(one, name, address))
            continue;
        int fd = one->fd;
        one->fd = -1;
        return fd;
    }
    return -1;
}

static bool has_name(const struct inherited *one, const char *name, const struct address *address)
{
    (void)address;
    return strcasecmp(one->name, name) == 0;
}

static bool has_address(const struct inherited *one, const char *name,
                        const struct address *address)
{
    (void)name;
    return suits(&one->address, address);
}

/* A name counts before an address: the operator has chosen it. */
static int take_inherited(const char *name, const struct address *address)
{
    int fd = take_if(has_name, name, address);

    return fd != -1 ? fd : take_if(has_address, name, address);
}

/* ---- opening one ---- */

/* Takes back what SO_SNDBUF has set: the kernel fits the buffer to each connection again. Linux
 * before 5.14 cannot do that. */
static void unbound_send_buffer(int fd, sa_family_t family)
{
#ifdef SO_BUF_LOCK
    enum { SEND_LOCK = 1 };
    int fresh = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int octets = 0;
    int lock = 0;
    socklen_t size = sizeof(lock);

    if (getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, &size) == 0 && (lock & SEND_LOCK) != 0 &&
        getsockopt(fresh, SOL_SOCKET, SO_SNDBUF, &octets, &size) == 0) {
        octets /= 2; /* the kernel doubles what is set */
        lock &= ~SEND_LOCK;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
        (void)setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock));
    }
    if (fresh != -1)
        close(fresh);
#else
    (void)fd;
    (void)family;
#endif
}

static void set_options(int fd, const struct address *address, const struct conf_values *values)
{
    int on = 1;
    int off = 0;
    int octets = (int)values->socket_buffer;

    if (address->sa.sa_family == AF_UNIX)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* The first command is answered at once, so its acknowledgement goes in the same packet as the
     * answer. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
    if (octets > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
    else
        unbound_send_buffer(fd, address->sa.sa_family);
    /* [::] takes IPv4 as well, any other IPv6 address does not. */
    if (address->sa.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
                         IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr) ? &off : &on, sizeof(on));
}

static void set_sharing(int fd, bool does_share)
{
    int value = does_share;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
}

static int open_socket(const struct address *address, const struct conf_instance *instance,
                       bool shares_port)
{
    const struct conf_values *values = &instance->section.values;
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -1;
    set_options(fd, address, values);
    set_sharing(fd, shares_port);
    if (address->sa.sa_family == AF_UNIX)
        if (unix_socket_check(address) == UNIX_SOCKET_STALE)
            unlink(address->local.sun_path);
    if (unix_socket_bind(fd, address, &instance->socket_rights) == 0 &&
        listen(fd, (int)values->backlog) == 0) {
        set_sharing(fd, false);
        return fd;
    }
    return file_close_failed(fd);
}

static bool is_overlapping(const struct address *a, const struct address *b)
{
    return address_is_covered_by(a, b) || address_is_covered_by(b, a);
}

static bool share_port(const struct address *address, bool does_share)
{
    bool is_ours = false;

    for (const struct listener *l = listeners; l != NULL; l = l->next) {
        if (!is_overlapping(&l->address, address))
            continue;
        set_sharing(l->fd, does_share);
        is_ours = true;
    }
    return is_ours;
}

/* The socket that stands in the way may be one of ours, when a reload goes from a wildcard address
 * to a single one or back. Old and new socket are then open together for a moment, which the kernel
 * allows to sockets that share their port. */
static int open_beside_ours(const struct address *address, const struct conf_instance *instance)
{
    int error = EADDRINUSE;
    int fd = -1;

    if (share_port(address, true)) {
        fd = open_socket(address, instance, true);
        error = errno;
        share_port(address, false);
    }
    errno = error;
    return fd;
}

/* The socket in use that is written the same way in the configuration, or bound to this address. */
static struct listener *find_in_use(const char *text, const struct address *address)
{
    struct listener *listener = listeners;

    while (listener != NULL && strcmp(listener->text, text) != 0 &&
           !is_same(&listener->address, address))
        listener = listener->next;
    return listener;
}

static void free_listener(struct listener *listener)
{
    if (listener != NULL) {
        free(listener->text);
        free(listener->instance);
    }
    free(listener);
}

static struct listener *add_listener(const struct conf_section *section, int fd)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (listener != NULL) {
        listener->text = strdup(section->values.listen);
        listener->instance = strdup(section->name);
    }
    if (listener == NULL || listener->text == NULL || listener->instance == NULL) {
        free_listener(listener);
        close(fd);
        return NULL;
    }
    listener->fd = fd;
    (void)address_of_own_end(fd, &listener->address);
    listener_note_options(listener);
    listener->next = listeners;
    listeners = listener;
    return listener;
}

struct listener *listener_acquire(const struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = &section->values;
    const char *origin = section->origin[CONF_KEY_listen];
    char failure[CONF_LISTEN_FAILURE_SIZE];
    struct listener *listener;
    struct address address;
    int fd;

    if (address_parse_listen(&address, values->listen) == -1) {
        error_set(error, "%s: listen = %s is not an address", origin, values->listen);
        return NULL;
    }
    listener = find_in_use(values->listen, &address);
    if (listener == NULL) {
        fd = take_inherited(section->name, &address);
        if (fd == -1)
            fd = open_socket(&address, instance, false);
        if (fd == -1 && errno == EADDRINUSE)
            fd = open_beside_ours(&address, instance);
        if (fd == -1) {
            error_set(error, "%s: listen = %s: %s", origin, values->listen,
                      conf_listen_failure(&address, errno, failure));
            return NULL;
        }
        listener = add_listener(section, fd);
        if (listener == NULL) {
            error_set(error, "out of memory");
            return NULL;
        }
    }
    listener->users++;
    return listener;
}

static void warn_of_rights(const struct listener *listener, const struct conf_section *section)
{
    log_message_at(LOG_LEVEL_WARNING, EVENT_CONFIGURATION,
                   "%s: listen = %s: the owner, group and mode of the socket cannot be set: %s%s",
                   section->origin[CONF_KEY_listen], listener->text, strerror(errno),
                   errno == ENOENT ? "; restart the server to make the socket again" : "");
}

void listener_settle(struct listener *listener, const struct conf_instance *instance)
{
    const struct conf_values *values = &instance->section.values;

    if (unix_socket_set_rights(&listener->address, &instance->socket_rights) == -1)
        warn_of_rights(listener, &instance->section);
    set_options(listener->fd, &listener->address, values);
    (void)listen(listener->fd, (int)values->backlog);
}

static void announce(const struct listener *listener)
{
    char text[ADDRESS_TEXT_SIZE];
    struct log_line line;

    log_begin(&line, EVENT_LISTENING);
    log_add(&line, "instance", listener->instance);
    log_add(&line, "version", PACKAGE_VERSION);
    log_add_text(&line, "text", address_text(&listener->address, text));
    log_end(&line);
}

void listener_announce_new(void)
{
    for (struct listener *l = listeners; l != NULL; l = l->next) {
        if (!l->is_announced)
            announce(l);
        l->is_announced = true;
    }
}

void listener_release(struct listener *listener)
{
    struct listener **link = &listeners;

    if (--listener->users > 0)
        return;
    while (*link != listener)
        link = &(*link)->next;
    *link = listener->next;
    close(listener->fd);
    free_listener(listener);
}

static bool does_listen(int fd)
{
    int value = 0;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == -1 || value != 0;
}

/* Sets the backlog, too. After a shutdown(2) every accept() fails. The socket keeps its port, unless
 * the kernel chose it. */
static bool listen_again(const struct listener *listener, const struct conf_values *values)
{
    struct address address;

    return listen(listener->fd, (int)values->backlog) == 0 &&
           address_of_own_end(listener->fd, &address) && is_same(&address, &listener->address);
}

static void mend_shutdown(const struct listener *listener, const struct conf_values *values)
{
    char text[ADDRESS_TEXT_SIZE];
    bool is_mended = listen_again(listener, values);

    log_message(EVENT_TAMPERING, "a worker has shut down the socket that listens on %s%s",
                address_text(&listener->address, text),
                is_mended ? "; it listens again" : "; restart the server");
}

/* ---- options ---- */

/* Those by which a worker could shut clients out. Without seccomp it can set every one. */
static const struct {
    int level;
    int name;
    const char *word; /* in the log */
} guarded[] = {
    {SOL_SOCKET, SO_RCVTIMEO, "SO_RCVTIMEO"},
    {SOL_SOCKET, SO_SNDTIMEO, "SO_SNDTIMEO"},
    {SOL_SOCKET, SO_LINGER, "SO_LINGER"},
    {IPPROTO_IP, IP_TTL, "IP_TTL"},
    {IPPROTO_IP, IP_MINTTL, "IP_MINTTL"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_MINHOPCOUNT, "IPV6_MINHOPCOUNT"},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT"},
};
_Static_assert(sizeof(guarded) / sizeof(guarded[0]) == LISTENER_OPTIONS, "one place for each");

/* Returns the length; 0 where this kind of socket does not have the option. */
static unsigned get_option(int fd, size_t index, char value[LISTENER_OPTION_BYTES])
{
    socklen_t length = LISTENER_OPTION_BYTES;

    memset(value, 0, LISTENER_OPTION_BYTES);
    if (getsockopt(fd, guarded[index].level, guarded[index].name, value, &length) == -1)
        return 0;
    return length;
}

void listener_note_options(struct listener *listener)
{
    for (size_t i = 0; i < LISTENER_OPTIONS; i++)
        listener->options.lengths[i] = get_option(listener->fd, i, listener->options.values[i]);
}

static void mend_option(const struct listener *listener, size_t index)
{
    const char *value = listener->options.values[index];
    unsigned length = listener->options.lengths[index];
    char text[ADDRESS_TEXT_SIZE];
    char now[LISTENER_OPTION_BYTES];
    bool is_mended;

    if (length == 0 || (get_option(listener->fd, index, now) == length && memcmp(now, value, length) == 0))
        return;
    is_mended =
        setsockopt(listener->fd, guarded[index].level, guarded[index].name, value, length) == 0;
    log_message(EVENT_TAMPERING, "a worker has changed %s of the socket that listens on %s%s",
                guarded[index].word, address_text(&listener->address, text),
                is_mended ? "; it is as before" : "; restart the server");
}

/* A filter of packets. The kernel tells its length for a buffer of length 0. */
static void mend_filter(const struct listener *listener)
{
    char text[ADDRESS_TEXT_SIZE];
    int unused = 0;
    socklen_t length = 0;
    bool is_mended;

    if (getsockopt(listener->fd, SOL_SOCKET, SO_GET_FILTER, NULL, &length) == -1 || length == 0)
        return;
    is_mended = setsockopt(listener->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) == 0;
    log_message(EVENT_TAMPERING, "a worker has put a filter on the socket that listens on %s%s",
                address_text(&listener->address, text),
                is_mended ? "; it is removed" : "; restart the server");
}

void listener_mend(const struct listener *listener, const struct conf_values *values,
                   bool must_not_block)
{
    int flags = fcntl(listener->fd, F_GETFL);

    if (!does_listen(listener->fd))
        mend_shutdown(listener, values);
    else
        (void)listen(listener->fd, (int)values->backlog);
    if (must_not_block && flags != -1 && (flags & O_NONBLOCK) == 0)
        (void)fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK);
    for (size_t i = 0; i < LISTENER_OPTIONS; i++)
        mend_option(listener, i);
    mend_filter(listener);
}

/* ---- the queue ---- */

static bool get_tcp_info(int fd, struct tcp_info *info)
{
    socklen_t size = sizeof(*info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

int listener_queue(const struct listener *listener)
{
    struct pollfd waiting = {.fd = listener->fd, .events = POLLIN};
    struct tcp_info info;

    if (listener->address.sa.sa_family == AF_UNIX)
        return poll(&waiting, 1, 0);
    /* Of a listening socket this is the accept queue. */
    return get_tcp_info(listener->fd, &info) ? (int)info.tcpi_unacked : -1;
}

static void wake(int number)
{
    (void)number;
}

/* Every process that has the socket can make it block again at any moment. So a timer ends the call,
 * with EINTR. It repeats: the first signal may come before the call. */
static int accept_in_time(int listening_fd, struct address *client)
{
    enum { LIMIT_US = 10000 };
    static const struct itimerval often = {{.tv_usec = LIMIT_US}, {.tv_usec = LIMIT_US}};
    static const struct itimerval never;
    const struct sigaction action = {.sa_handler = wake};
    int fd;

    client->length = sizeof(client->storage);
    if (sigaction(SIGALRM, &action, NULL) == -1 || setitimer(ITIMER_REAL, &often, NULL) == -1)
        return -1;
    fd = accept4(listening_fd, &client->sa, &client->length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    (void)setitimer(ITIMER_REAL, &never, NULL);
    return fd;
}

int listener_accept_now(const struct listener *listener, bool is_blocking, struct address *client)
{
    int flags = fcntl(listener->fd, F_GETFL);
    int fd;

    if (flags == -1 || fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK) == -1)
        return -1;
    fd = accept_in_time(listener->fd, client);
    if (is_blocking)
        (void)fcntl(listener->fd, F_SETFL, flags);
    return fd;
}

/* The kernel sets the time of the last sending when the handshake ends. What the client may have
 * sent in the meantime does not change it. */
int64_t listener_waited_ms(int fd)
{
    struct tcp_info info;

    return get_tcp_info(fd, &info) ? (int64_t)info.tcpi_last_data_sent : -1;
}
