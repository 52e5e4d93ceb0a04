/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmicrohttpd runs without threads: our loop watches its epoll descriptor and its timeout. Its
 * own time limit is for clients that are idle; ours also ends a connection whose client sends an
 * octet now and then.
 */
#include "status/metrics_http.h"

#include "config.h"

#ifdef HAVE_MICROHTTPD

#include <dlfcn.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "status/status_page.h"

#define LIBRARY "libmicrohttpd.so.12"

enum {
    CONNECTIONS_MAX = 32, /* when one more connects, the oldest is ended */
    ENTRIES = 2 * CONNECTIONS_MAX,
    LIBRARY_MAX = 2 * ENTRIES, /* never reached: the library would accept no one then */
    IDLE_LIMIT_S = 5,
    LIMIT_MS = 10000, /* a connection as a whole */
    MEMORY_BYTES = 8192,
    TICK_MS = 1000, /* how often the limits are checked while there are connections */
};

/* ---- the library ---- */

/* clang-format off */
#define FUNCTIONS(F)                                                                               \
    F(start_daemon) F(quiesce_daemon) F(run) F(get_timeout) F(get_daemon_info)      \
    F(get_connection_info) F(create_response_from_buffer) F(add_response_header)                   \
    F(queue_response) F(destroy_response) F(lookup_connection_value)
/* clang-format on */

static struct {
#define F(name) __typeof__(&MHD_##name) name;
    FUNCTIONS(F)
#undef F
} mhd;

static int load_library(struct error *error)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return error_set(error, "%s", dlerror());
#define F(name)                                                                                    \
    *(void **)&mhd.name = dlsym(library, "MHD_" #name);                                            \
    if (mhd.name == NULL)                                                                          \
        return error_set(error, "%s", dlerror());
    FUNCTIONS(F)
#undef F
    return 0;
}

/* ---- the connections ---- */

struct connected {
    int fd; /* 0: free */
    bool is_cut;
    int64_t since_ms;
};

static struct {
    struct MHD_Daemon *daemon;
    metrics_http_text *text;
    bool is_local; /* listens on the loopback */
    ev_io ready;
    ev_timer timeout;
    ev_prepare before_sleep;
    struct connected connections[ENTRIES];
} http;

/* The library notices the end of the connection and closes it. */
static void cut(struct connected *connected)
{
    connected->is_cut = true;
    shutdown(connected->fd, SHUT_RDWR);
}

static void cut_overdue(void)
{
    int64_t limit_ms = clock_now_ms() - LIMIT_MS;

    for (size_t i = 0; i < ENTRIES; i++)
        if (http.connections[i].fd != 0 && http.connections[i].since_ms < limit_ms)
            cut(&http.connections[i]);
}

static struct connected *find_free(void)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (http.connections[i].fd == 0)
            return &http.connections[i];
    return NULL;
}

static void make_room(void)
{
    struct connected *oldest = NULL;
    size_t used = 0;

    for (size_t i = 0; i < ENTRIES; i++) {
        struct connected *one = &http.connections[i];
        if (one->fd == 0 || one->is_cut)
            continue;
        used++;
        if (oldest == NULL || one->since_ms < oldest->since_ms)
            oldest = one;
    }
    if (used >= CONNECTIONS_MAX)
        cut(oldest);
}

/* NULL: there is no entry left, and the connection ends. */
static struct connected *add(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connected *connected;

    make_room();
    connected = info == NULL ? NULL : find_free();
    if (connected != NULL)
        *connected = (struct connected){.fd = info->connect_fd, .since_ms = clock_now_ms()};
    else if (info != NULL)
        shutdown(info->connect_fd, SHUT_RDWR);
    return connected;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct connected *connected = *own;

    (void)context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *own = add(connection);
    else if (connected != NULL)
        connected->fd = 0;
}

/* ---- requests ---- */

/* The response gets the text, which is freed with it if it is `owned`. */
static struct MHD_Response *make_response(char *text, size_t length, bool is_owned,
                                          const char *type)
{
    struct MHD_Response *response = mhd.create_response_from_buffer(
        length, text, is_owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);

    if (response == NULL) {
        if (is_owned)
            free(text);
        return NULL;
    }
    mhd.add_response_header(response, "Content-Type", type);
    mhd.add_response_header(response, "Connection", "close");
    mhd.add_response_header(response, "X-Content-Type-Options", "nosniff");
    return response;
}

static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status,
                             struct MHD_Response *response)
{
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO;
    result = mhd.queue_response(connection, status, response);
    mhd.destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status)
{
    static char not_found[] = "Not found: the metrics are at /metrics\n";
    static char not_allowed[] = "Not allowed: GET only\n";
    static char wrong_name[] = "Forbidden: ask for the address, or for localhost\n";
    char *text = status == MHD_HTTP_METHOD_NOT_ALLOWED ? not_allowed
                 : status == MHD_HTTP_FORBIDDEN        ? wrong_name
                                                       : not_found;
    struct MHD_Response *response =
        make_response(text, strlen(text), false, "text/plain; charset=utf-8");

    if (response != NULL && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        mhd.add_response_header(response, "Allow", "GET, HEAD");
    return queue(connection, status, response);
}

static enum MHD_Result serve_metrics(struct MHD_Connection *connection)
{
    size_t length = 0;
    char *text = http.text(&length);

    if (text == NULL)
        return MHD_NO;
    return queue(connection, MHD_HTTP_OK,
                 make_response(text, length, true, "text/plain; version=0.0.4; charset=utf-8"));
}

static void add_page_headers(struct MHD_Response *response, const struct page_answer *page)
{
    if (response == NULL)
        return;
    mhd.add_response_header(response, "Cache-Control", "no-cache");
    mhd.add_response_header(response, "Referrer-Policy", "no-referrer");
    if (page->etag[0] != '\0')
        mhd.add_response_header(response, "ETag", page->etag);
    if (page->policy[0] != '\0')
        mhd.add_response_header(response, "Content-Security-Policy", page->policy);
}

/* A page of another site can let its own name lead to our address and then read what we answer: the
 * browser takes us for that site. So who listens on the loopback is asked by address or as
 * localhost. */
static bool is_host_ours(const char *host)
{
    char name[sizeof("[") + ADDRESS_TEXT_SIZE];
    struct address address;
    size_t length;

    if (!http.is_local || host == NULL)
        return true;
    length = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
    snprintf(name, sizeof(name), "%.*s", (int)length, host);
    return strcasecmp(name, "localhost") == 0 ||
           address_from_literal(&address, name[0] == '[' ? name + 1 : name, 0) == 0;
}

static enum MHD_Result serve_page(struct MHD_Connection *connection, const char *path)
{
    static char nothing[] = "";
    const char *known = mhd.lookup_connection_value(connection, MHD_HEADER_KIND, "If-None-Match");
    const char *host = mhd.lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    struct MHD_Response *response;
    struct page_answer page;
    unsigned status = status_page_answer(path, known, &page);

    if (status == MHD_HTTP_NOT_FOUND)
        return refuse(connection, status);
    if (!is_host_ours(host)) {
        free(page.text);
        return refuse(connection, MHD_HTTP_FORBIDDEN);
    }
    if (status == MHD_HTTP_INTERNAL_SERVER_ERROR)
        return MHD_NO;
    response = make_response(page.text == NULL ? nothing : page.text, page.length,
                             page.text != NULL, page.type);
    add_page_headers(response, &page);
    return queue(connection, status, response);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_length, void **own)
{
    (void)context;
    (void)version;
    (void)body;
    (void)own;
    *body_length = 0;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED);
    return strcmp(path, "/metrics") == 0 ? serve_metrics(connection)
                                         : serve_page(connection, path);
}

/* ---- the loop ---- */

static void on_ready(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    mhd.run(http.daemon);
}

static void on_timeout(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    cut_overdue();
    mhd.run(http.daemon);
}

bool metrics_http_is_busy(void)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (http.connections[i].fd != 0)
            return true;
    return false;
}

static void before_sleep(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = TICK_MS;

    (void)watcher;
    (void)events;
    if (!metrics_http_is_busy()) {
        ev_timer_stop(loop, &http.timeout);
        return;
    }
    if (mhd.get_timeout(http.daemon, &wait_ms) != MHD_YES || wait_ms > TICK_MS)
        wait_ms = TICK_MS;
    ev_timer_stop(loop, &http.timeout);
    ev_timer_set(&http.timeout, (double)wait_ms / 1e3, 0.0);
    ev_timer_start(loop, &http.timeout);
}

int metrics_http_start(struct ev_loop *loop, int listen_fd, metrics_http_text *text,
                       struct error *error)
{
    const union MHD_DaemonInfo *info;
    struct address own;

    if (load_library(error) == -1)
        return -1;
    http.text = text;
    http.is_local = address_of_own_end(listen_fd, &own) && address_is_loopback(&own);
    http.daemon = mhd.start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIBRARY_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_LIMIT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_END);
    info = http.daemon == NULL ? NULL : mhd.get_daemon_info(http.daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return error_set(error, LIBRARY " does not start");
    ev_io_init(&http.ready, on_ready, info->epoll_fd, EV_READ);
    ev_io_start(loop, &http.ready);
    ev_init(&http.timeout, on_timeout);
    ev_prepare_init(&http.before_sleep, before_sleep);
    ev_prepare_start(loop, &http.before_sleep);
    return 0;
}

void metrics_http_stop(void)
{
    if (http.daemon != NULL)
        close(mhd.quiesce_daemon(http.daemon));
}

#else

int metrics_http_start(struct ev_loop *loop, int listen_fd, metrics_http_text *text,
                       struct error *error)
{
    (void)loop;
    (void)listen_fd;
    (void)text;
    return error_set(error, "built without libmicrohttpd");
}

void metrics_http_stop(void)
{
}

bool metrics_http_is_busy(void)
{
    return false;
}

#endif
