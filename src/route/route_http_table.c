/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `http://...`, `https://...` and `unix:PATH:/uri`: a server that speaks nginx's auth_http protocol,
 * asked by libcurl on our loop over kept connections.
 *
 * The library brings some thirty others along, so it is loaded by the process that has such a table,
 * and not linked into every worker.
 */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/octet.h"
#include "route/route_auth_http.h"
#include "route/route_lanes.h"

extern const struct route_table_ops route_http_table;
extern const struct route_table_ops route_https_table;
extern const struct route_table_ops route_unix_table;

#ifdef HAVE_CURL
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define LIBRARY "libcurl.so.4"

enum { CONNECTIONS_MAX = 8, BODY_MAX = 64 * 1024, HEADERS_MAX = 64 * 1024 };

/* clang-format off */
#define FUNCTIONS(F)                                                                               \
    F(global_init) F(easy_init) F(easy_setopt) F(easy_getinfo) F(easy_cleanup) F(easy_strerror)    \
    F(multi_init) F(multi_setopt) F(multi_add_handle) F(multi_remove_handle)                       \
    F(multi_socket_action) F(multi_info_read) F(multi_cleanup)                                     \
    F(slist_append) F(slist_free_all)
/* clang-format on */

static struct {
#define F(name) __typeof__(&curl_##name) name;
    FUNCTIONS(F)
#undef F
} curl;

struct http_table {
    struct route_table table;
    struct ev_loop *loop;
    const struct route_environment *environment;
    CURLM *multi;
    char *url;
    char *socket_path; /* NULL: TCP */
    ev_timer timer;
    struct http_socket *sockets;
    struct http_question *questions;
};

struct http_socket {
    struct http_socket *next;
    struct http_table *table;
    ev_io io;
};

struct http_question {
    struct http_question *next;
    struct http_table *table;
    CURL *easy;
    struct curl_slist *headers;
    route_reply *reply;
    void *context;
    size_t body;
    size_t head;
    bool has_all_headers;
    struct route_http_answer answer;
};

static int load_library(struct error *error)
{
    static bool is_loaded;
    void *library;

    if (is_loaded)
        return 0;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return error_set(error, "%s; install libcurl4", dlerror());
#define F(name)                                                                                    \
    *(void **)&curl.name = dlsym(library, "curl_" #name);                                          \
    if (curl.name == NULL)                                                                         \
        return error_set(error, "%s", dlerror());
    FUNCTIONS(F)
#undef F
    if (curl.global_init(CURL_GLOBAL_DEFAULT) != 0)
        return error_set(error, "libcurl cannot be set up");
    is_loaded = true;
    return 0;
}

/* ---- questions ---- */

static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *header = headers; header != NULL; header = header->next)
        explicit_bzero(header->data, strlen(header->data)); /* one has the password */
    curl.slist_free_all(headers);
}

static void free_question(struct http_question *question)
{
    struct http_question **link = &question->table->questions;

    while (*link != question)
        link = &(*link)->next;
    *link = question->next;
    if (question->easy != NULL) {
        (void)curl.multi_remove_handle(question->table->multi, question->easy);
        curl.easy_cleanup(question->easy);
    }
    free_headers(question->headers);
    explicit_bzero(&question->answer, sizeof(question->answer));
    free(question);
}

/* What is wrong with a transfer; NULL: nothing. The library takes headers that end with the connection
 * for all of them. */
static const char *fault_of(const struct http_question *question, CURLcode code)
{
    if (question->head > HEADERS_MAX || question->body > BODY_MAX)
        return "the answer is too long";
    if (code == CURLE_PARTIAL_FILE || (code == CURLE_OK && !question->has_all_headers))
        return "the answer is cut";
    return code == CURLE_OK ? NULL : curl.easy_strerror(code);
}

/* `why` is NULL after a response. */
static void end_question(struct http_question *question, const char *why)
{
    long status = 0;

    if (why != NULL) {
        route_reply_failed(question->reply, question->context, why);
    } else {
        (void)curl.easy_getinfo(question->easy, CURLINFO_RESPONSE_CODE, &status);
        route_http_finish(&question->answer, status, question->reply, question->context);
    }
    free_question(question);
}

/* What the library has finished. */
static void take_finished(struct http_table *table)
{
    CURLMsg *message;
    int left;

    while ((message = curl.multi_info_read(table->multi, &left)) != NULL) {
        struct http_question *question = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &question);
        end_question(question, fault_of(question, code));
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct http_question *question = context;
    size_t length = size * count;

    question->head += length;
    if (question->head > HEADERS_MAX)
        return 0; /* the transfer fails */
    /* A status line begins the headers of a response: of the last one, if there are several. */
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        question->has_all_headers = false;
        route_http_begin(&question->answer);
    } else if (line[0] == '\r' || line[0] == '\n') {
        question->has_all_headers = true;
    } else if (!question->has_all_headers) { /* what follows the body does not count */
        route_http_take_header(&question->answer, line, length);
    }
    return length;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct http_question *question = context;

    (void)data;
    question->body += size * count;
    return question->body > BODY_MAX ? 0 : size * count;
}

/* Adds "NAME: value"; false when it does not fit. */
static bool add_header(struct http_question *question, const char *name, const char *value)
{
    char escaped[ROUTE_HTTP_HEADER_MAX];
    char line[ROUTE_HTTP_HEADER_MAX + 32];
    struct curl_slist *longer = NULL;

    if (route_http_escape(value, escaped, sizeof(escaped))) {
        snprintf(line, sizeof(line), "%s: %s", name, escaped);
        longer = curl.slist_append(question->headers, line);
        explicit_bzero(line, sizeof(line));
    }
    explicit_bzero(escaped, sizeof(escaped));
    if (longer == NULL)
        return false;
    question->headers = longer;
    return true;
}

static bool add_headers(struct http_question *question, const struct route_question *asked)
{
    char attempt[16];

    snprintf(attempt, sizeof(attempt), "%u", asked->attempt);
    return add_header(question, "Auth-Method", asked->password == NULL ? "none" : "plain") &&
           add_header(question, "Auth-User", asked->key) &&
           (asked->password == NULL || add_header(question, "Auth-Pass", asked->password)) &&
           add_header(question, "Auth-Protocol", "pop3") &&
           add_header(question, "Auth-Login-Attempt", attempt) &&
           (asked->client[0] == '\0' || add_header(question, "Client-IP", asked->client)) &&
           (!asked->is_tls || add_header(question, "Auth-SSL", "on"));
}

static void set_options(struct http_question *question)
{
    struct http_table *table = question->table;
    CURL *easy = question->easy;

    curl.easy_setopt(easy, CURLOPT_URL, table->url);
    if (table->socket_path != NULL)
        curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, table->socket_path);
    curl.easy_setopt(easy, CURLOPT_PRIVATE, question);
    curl.easy_setopt(easy, CURLOPT_HTTPHEADER, question->headers);
    curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl.easy_setopt(easy, CURLOPT_HEADERDATA, question);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, question);
    curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)table->environment->timeout_ms);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.easy_setopt(easy, CURLOPT_PROXY, "");    /* not from the environment */
    curl.easy_setopt(easy, CURLOPT_USERAGENT, "pop3.proxy");
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
}

static void ask_http(struct route_table *base, const struct route_question *asked,
                     route_reply *reply, void *context)
{
    struct http_table *table = (struct http_table *)base;
    struct http_question *question = calloc(1, sizeof(*question));

    if (question == NULL) {
        route_reply_failed(reply, context, "out of memory");
        return;
    }
    question->table = table;
    question->reply = reply;
    question->context = context;
    question->next = table->questions;
    table->questions = question;
    route_http_begin(&question->answer);
    question->easy = curl.easy_init();
    if (question->easy == NULL || !add_headers(question, asked)) {
        end_question(question, "login or password are too long");
        return;
    }
    set_options(question);
    if (curl.multi_add_handle(table->multi, question->easy) != CURLM_OK)
        end_question(question, "libcurl takes no further question");
}

/* ---- the library on our loop ---- */

static void act(struct http_table *table, curl_socket_t fd, int events)
{
    int running;

    (void)curl.multi_socket_action(table->multi, fd, events, &running);
    take_finished(table);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct http_socket *socket = watcher->data;

    (void)loop;
    act(socket->table, watcher->fd, ((events & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
                                        ((events & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http_table *table = context;

    (void)multi;
    ev_timer_stop(table->loop, &table->timer);
    if (timeout_ms >= 0) {
        ev_timer_set(&table->timer, (double)timeout_ms / 1e3, 0.);
        ev_timer_start(table->loop, &table->timer);
    }
    return 0;
}

static struct http_socket *find_socket(struct http_table *table, curl_socket_t fd)
{
    struct http_socket *socket = table->sockets;

    while (socket != NULL && socket->io.fd != fd)
        socket = socket->next;
    return socket;
}

static void drop_socket(struct http_socket *socket)
{
    struct http_socket **link = &socket->table->sockets;

    while (*link != socket)
        link = &(*link)->next;
    *link = socket->next;
    ev_io_stop(socket->table->loop, &socket->io);
    free(socket);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *own)
{
    struct http_table *table = context;
    struct http_socket *socket = find_socket(table, fd);

    (void)easy;
    (void)own;
    if (what == CURL_POLL_REMOVE) {
        if (socket != NULL)
            drop_socket(socket);
        return 0;
    }
    if (socket == NULL) {
        socket = calloc(1, sizeof(*socket));
        if (socket == NULL)
            return -1;
        socket->table = table;
        socket->next = table->sockets;
        table->sockets = socket;
        ev_init(&socket->io, on_socket);
        socket->io.data = socket;
    }
    ev_io_stop(table->loop, &socket->io);
    ev_io_set(&socket->io, fd, ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                                   ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));
    ev_io_start(table->loop, &socket->io);
    return 0;
}
#endif

/* ---- how a location is written ---- */

static bool is_plain_text(const char *text)
{
    for (; *text != '\0'; text++)
        if (!octet_is_graphic(*text))
            return false;
    return true;
}

static int check_url(const char *location, struct error *error)
{
    if (strncmp(location, "//", 2) != 0 || location[2] == '\0' || location[2] == '/' ||
        !is_plain_text(location))
        return error_set(error, "expected //HOST[:PORT]/URI after the colon");
    return 0;
}

/* "PATH:/uri": the last ":/" separates them. Returns the path's length, or 0. */
static size_t socket_path_length(const char *location)
{
    const char *found = NULL;

    for (const char *at = location; (at = strstr(at, ":/")) != NULL; at++)
        found = at;
    return found == NULL ? 0 : (size_t)(found - location);
}

static int check_unix(const char *location, struct error *error)
{
    if (location[0] != '/' || socket_path_length(location) == 0 || !is_plain_text(location))
        return error_set(error, "expected PATH:/URI after the colon");
    return 0;
}

#ifdef HAVE_CURL
static int try_library(const char *location, const struct route_environment *environment,
                       struct error *error)
{
    (void)location;
    (void)environment;
    return load_library(error);
}

static void warn_unix(const char *location, route_warning *warn, void *context)
{
    char text[ROUTE_HTTP_HEADER_MAX];
    int length = snprintf(text, sizeof(text), "unix:%.*s", (int)socket_path_length(location),
                          location);
    struct route_place place;
    struct error error;

    if (route_place_parse(&place, text, (size_t)length, &error) == 0 &&
        !route_place_is_served(&place, &error))
        warn(context, error.text);
}

static void close_http(struct route_table *base)
{
    struct http_table *table = (struct http_table *)base;

    while (table->questions != NULL)
        end_question(table->questions, "the table is being closed");
    if (table->multi != NULL)
        (void)curl.multi_cleanup(table->multi);
    while (table->sockets != NULL)
        drop_socket(table->sockets);
    ev_timer_stop(table->loop, &table->timer);
    free(table->url);
    free(table->socket_path);
    free(table);
}

static struct route_table *open_url(struct ev_loop *loop, const struct route_table_ops *ops,
                                    const char *url, const char *socket_path, size_t path_length,
                                    const struct route_environment *environment)
{
    struct http_table *table = calloc(1, sizeof(*table));
    struct error error;

    if (table == NULL)
        return NULL;
    table->table.ops = ops;
    table->loop = loop;
    table->environment = environment;
    ev_timer_init(&table->timer, on_timer, 0., 0.);
    table->timer.data = table;
    table->url = strdup(url);
    if (path_length > 0)
        table->socket_path = strndup(socket_path, path_length);
    if (load_library(&error) == 0)
        table->multi = curl.multi_init();
    if (table->url == NULL || table->multi == NULL ||
        (path_length > 0 && table->socket_path == NULL)) {
        close_http(&table->table);
        return NULL;
    }
    curl.multi_setopt(table->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl.multi_setopt(table->multi, CURLMOPT_SOCKETDATA, table);
    curl.multi_setopt(table->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl.multi_setopt(table->multi, CURLMOPT_TIMERDATA, table);
    curl.multi_setopt(table->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    return &table->table;
}

static struct route_table *open_scheme(struct ev_loop *loop, const struct route_table_ops *ops,
                                       const char *location,
                                       const struct route_environment *environment)
{
    char url[ROUTE_HTTP_HEADER_MAX];

    snprintf(url, sizeof(url), "%s:%s", ops->scheme, location);
    return open_url(loop, ops, url, NULL, 0, environment);
}

static struct route_table *open_http(struct ev_loop *loop, const char *location,
                                     const struct route_environment *environment)
{
    return open_scheme(loop, &route_http_table, location, environment);
}

static struct route_table *open_https(struct ev_loop *loop, const char *location,
                                      const struct route_environment *environment)
{
    return open_scheme(loop, &route_https_table, location, environment);
}

static struct route_table *open_unix(struct ev_loop *loop, const char *location,
                                     const struct route_environment *environment)
{
    size_t length = socket_path_length(location);
    char url[ROUTE_HTTP_HEADER_MAX];

    snprintf(url, sizeof(url), "http://localhost%s", location + length + 1);
    return open_url(loop, &route_unix_table, url, location, length, environment);
}
#define HTTP_OPERATIONS(warn_it, open_it)                                                          \
    .try = try_library, .warn = (warn_it), .open = (open_it), .ask = ask_http, .close = close_http
#else
#define HTTP_OPERATIONS(warn_it, open_it) .package = "libcurl4-openssl-dev"
#endif

const struct route_table_ops route_http_table = {.scheme = "http",
                                                 .is_told_password = true,
                                                 .check = check_url,
                                                 HTTP_OPERATIONS(NULL, open_http)};
const struct route_table_ops route_https_table = {.scheme = "https",
                                                  .is_told_password = true,
                                                  .check = check_url,
                                                  HTTP_OPERATIONS(NULL, open_https)};
const struct route_table_ops route_unix_table = {.scheme = "unix",
                                                 .is_told_password = true,
                                                 .check = check_unix,
                                                 HTTP_OPERATIONS(warn_unix, open_unix)};
