/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The POP3 server of the benchmark: one process, epoll, every reply ready in memory. Its only state
 * is that of each connection. It checks names and passwords (mail.h) and refuses what it does not
 * expect, so a proxy that mixes up sessions or sends a command of its own causes an error in the
 * load generator. With --auth-http it also answers the login requests of nginx's mail module with
 * the address of its own POP3 port. That cost is not counted as the proxy's, because other proxies
 * find their server in the configuration. With --listen-tls it serves the same maildrops over TLS
 * on another port.
 */
#include "bench.h"
#include "mail.h"
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define EVENTS 256
#define BLOCKS_AT_ONCE 16
#define IN_MAX 2048
#define OUT_MAX 1024
#define LINE_MAX_OCTETS 512
#define TLS_AT_ONCE 65536           /* octets: four records */

enum kind { KIND_LISTEN_POP3, KIND_LISTEN_POP3S, KIND_LISTEN_HTTP, KIND_POP3, KIND_HTTP };

struct conn {
    enum kind kind;
    struct transport transport;
    bool is_shaking;                /* the TLS handshake is not done */
    bool is_blocked;                /* waits for room to send, with EPOLLOUT */
    bool is_ending;                 /* close when everything is sent */
    bool awaits_sasl;
    bool is_logged_in;
    char user[MAIL_USER_MAX];
    const struct mailbox *box;
    size_t in_len;
    char in[IN_MAX];
    size_t out_len, out_pos;        /* short replies, sent first */
    char out[OUT_MAX];
    struct text whole;              /* then a prebuilt listing */
    unsigned message;               /* then the body of this message, if not 0, and MAIL_END */
    uint64_t body_pos;
};

static const char capa[] = "+OK capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN\r\n"
                           "PIPELINING\r\nRESP-CODES\r\n.\r\n";

static int epoll_fd;
static struct sockaddr_in pop3_address;
static struct text http_reply;

/* ---- sending ---- */

static void say_text(struct conn *conn, const char *text, size_t len)
{
    if (len > sizeof(conn->out) - conn->out_len)
        bench_die("too many replies at once");      /* may_go_on() keeps room */
    memcpy(conn->out + conn->out_len, text, len);
    conn->out_len += len;
}

static void say(struct conn *conn, const char *text)
{
    say_text(conn, text, strlen(text));
}

/* True if no long reply is being sent and there is room for the longest short reply. */
static bool may_go_on(const struct conn *conn)
{
    return !conn->whole.len && !conn->message && !conn->is_ending &&
           conn->out_len + 256 <= sizeof(conn->out);
}

static int add_piece(struct iovec *iov, int n, const char *data, size_t len)
{
    iov[n].iov_base = (void *)(uintptr_t)data;
    iov[n].iov_len = len;
    return len ? n + 1 : n;
}

/* The body from body_pos, at most BLOCKS_AT_ONCE blocks, and MAIL_END after the last one. */
static int add_body(const struct conn *conn, struct iovec *iov, int n,
                    char (*stamps)[MAIL_LINE])
{
    uint64_t size = conn->box->size, pos = conn->body_pos;
    unsigned i;

    for (i = 0; i < BLOCKS_AT_ONCE && pos < size; i++) {
        uint64_t start = pos - pos % MAIL_BLOCK;
        uint64_t end = start + MAIL_BLOCK < size ? start + MAIL_BLOCK : size;
        size_t skip = (size_t)(pos - start);

        mail_stamp(conn->message, start / MAIL_BLOCK, stamps[i]);
        if (skip < MAIL_LINE) {
            n = add_piece(iov, n, stamps[i] + skip, MAIL_LINE - skip);
            skip = MAIL_LINE;
        }
        n = add_piece(iov, n, mail_block_rest() + skip - MAIL_LINE, (size_t)(end - start) - skip);
        pos = end;
    }
    if (pos >= size)
        n = add_piece(iov, n, MAIL_END + (pos - size), sizeof(MAIL_END) - 1 - (size_t)(pos - size));
    return n;
}

static size_t take(size_t *sent, size_t have)
{
    size_t n = *sent < have ? *sent : have;

    *sent -= n;
    return n;
}

static void mark_sent(struct conn *conn, size_t sent)
{
    size_t n = take(&sent, conn->out_len - conn->out_pos);

    conn->out_pos += n;
    if (conn->out_pos == conn->out_len)
        conn->out_pos = conn->out_len = 0;
    n = take(&sent, conn->whole.len);
    conn->whole.at += n;
    conn->whole.len -= n;
    if (!conn->message)
        return;
    conn->body_pos += sent;
    if (conn->body_pos == conn->box->size + sizeof(MAIL_END) - 1)
        conn->message = 0;
}

static bool has_output(const struct conn *conn)
{
    return conn->out_len || conn->whole.len || conn->message;
}

static enum transport_result send_plain(struct conn *conn, struct iovec *iov, int n, size_t *sent_r)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(conn->transport.fd, &msg, MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? TRANSPORT_AGAIN : TRANSPORT_ERROR;
    *sent_r = (size_t)sent;
    return TRANSPORT_OK;
}

/* Joins the pieces, so that the TLS records are full. When it is called again after
 * TRANSPORT_AGAIN, the pieces begin with the same octets, as OpenSSL requires. */
static enum transport_result send_tls(struct conn *conn, const struct iovec *iov, int n,
                                      size_t *sent_r)
{
    static char all[TLS_AT_ONCE];
    size_t len = 0;
    int i;

    for (i = 0; i < n && len < sizeof(all); i++) {
        size_t room = sizeof(all) - len;
        size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;

        memcpy(all + len, iov[i].iov_base, part);
        len += part;
    }
    return transport_write(&conn->transport, all, len, sent_r);
}

/* Sends until everything is sent or the socket is full. False if the connection is lost. */
static bool flush(struct conn *conn)
{
    char stamps[BLOCKS_AT_ONCE][MAIL_LINE];
    struct iovec iov[3 + 2 * BLOCKS_AT_ONCE];
    enum transport_result result;
    size_t sent;
    int n;

    while (has_output(conn)) {
        n = add_piece(iov, 0, conn->out + conn->out_pos, conn->out_len - conn->out_pos);
        n = add_piece(iov, n, conn->whole.at, conn->whole.len);
        if (conn->message)
            n = add_body(conn, iov, n, stamps);
        result = conn->transport.tls ? send_tls(conn, iov, n, &sent)
                                     : send_plain(conn, iov, n, &sent);
        if (result != TRANSPORT_OK)
            return result == TRANSPORT_AGAIN;
        mark_sent(conn, sent);
    }
    return true;
}

/* ---- the commands ---- */

static void check_login(struct conn *conn, const char *user, const char *password)
{
    char want[MAIL_USER_MAX + 32];

    mail_password(user, want, sizeof(want));
    conn->box = mail_find(user);
    if (!conn->box || strcmp(password, want) != 0) {
        say(conn, "-ERR [AUTH] canned server knows no such user and password\r\n");
        return;
    }
    conn->is_logged_in = true;
    say_text(conn, conn->box->pass.at, conn->box->pass.len);
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static size_t base64_decode(const char *text, char *data_r, size_t size)
{
    unsigned bits = 0, have = 0;
    size_t len = 0;

    for (; base64_value(*text) >= 0; text++) {
        bits = bits << 6 | (unsigned)base64_value(*text);
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (len < size)
                data_r[len++] = (char)(bits >> have & 0xff);
        }
    }
    return len;
}

/* AUTH PLAIN: authorization identity NUL user NUL password. */
static void check_plain(struct conn *conn, const char *base64)
{
    char data[3 * MAIL_USER_MAX + 1], *user, *password;
    size_t len = base64_decode(base64, data, sizeof(data) - 1);

    data[len] = '\0';
    user = memchr(data, '\0', len);
    password = user ? memchr(user + 1, '\0', len - (size_t)(user + 1 - data)) : NULL;
    if (!password || strlen(user + 1) >= MAIL_USER_MAX)
        say(conn, "-ERR bad initial response\r\n");
    else
        check_login(conn, user + 1, password + 1);
}

static void do_auth(struct conn *conn, const char *argument)
{
    if (strncasecmp(argument, "PLAIN", 5) != 0) {
        say(conn, "-ERR unknown mechanism\r\n");
    } else if (argument[5] == ' ') {
        check_plain(conn, argument + 6);
    } else {
        conn->awaits_sasl = true;
        say(conn, "+ \r\n");
    }
}

static void do_user(struct conn *conn, const char *argument)
{
    snprintf(conn->user, sizeof(conn->user), "%s", argument);
    say(conn, MAIL_USER_OK);
}

static void do_message(struct conn *conn, const char *argument, bool is_dele)
{
    unsigned long n = strtoul(argument, NULL, 10);

    if (n < 1 || n > conn->box->count) {
        say(conn, "-ERR no such message\r\n");
    } else if (is_dele) {
        say_text(conn, conn->box->dele[n - 1].at, conn->box->dele[n - 1].len);
    } else {
        say_text(conn, conn->box->retr.at, conn->box->retr.len);
        conn->message = (unsigned)n;
        conn->body_pos = 0;
    }
}

static bool is(const char *line, const char *keyword)
{
    return strcasecmp(line, keyword) == 0;
}

static void do_before_login(struct conn *conn, const char *keyword, const char *argument)
{
    if (is(keyword, "USER"))
        do_user(conn, argument);
    else if (is(keyword, "PASS"))
        check_login(conn, conn->user, argument);
    else if (is(keyword, "AUTH"))
        do_auth(conn, argument);
    else
        say(conn, "-ERR canned server: log in first\r\n");
}

static void do_after_login(struct conn *conn, const char *keyword, const char *argument)
{
    if (is(keyword, "STAT"))
        say_text(conn, conn->box->stat.at, conn->box->stat.len);
    else if (is(keyword, "LIST") && !*argument)
        conn->whole = conn->box->list;
    else if (is(keyword, "UIDL") && !*argument)
        conn->whole = conn->box->uidl;
    else if (is(keyword, "RETR") || is(keyword, "DELE"))
        do_message(conn, argument, is(keyword, "DELE"));
    else if (is(keyword, "NOOP") || is(keyword, "RSET"))
        say(conn, "+OK\r\n");
    else
        say(conn, "-ERR canned server: unknown command\r\n");
}

static void do_line(struct conn *conn, char *line)
{
    char *argument = strchr(line, ' ');

    if (conn->awaits_sasl) {
        conn->awaits_sasl = false;
        check_plain(conn, line);
        return;
    }
    if (argument)
        *argument++ = '\0';
    else
        argument = line + strlen(line);
    if (is(line, "QUIT")) {
        say(conn, MAIL_QUIT_OK);
        conn->is_ending = true;
    } else if (is(line, "CAPA")) {
        say(conn, capa);
    } else if (conn->is_logged_in) {
        do_after_login(conn, line, argument);
    } else {
        do_before_login(conn, line, argument);
    }
}

/* ---- the connections ---- */

static void conn_drop(struct conn *conn)
{
    transport_close(&conn->transport);
    free(conn);
}

static void watch(struct conn *conn, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};

    if (epoll_ctl(epoll_fd, operation, conn->transport.fd, &event) < 0)
        bench_die_errno("epoll_ctl");
}

static struct conn *conn_new(enum kind kind, int fd)
{
    struct conn *conn = bench_alloc(1, sizeof(*conn));

    conn->kind = kind;
    transport_accept(&conn->transport, fd);
    watch(conn, EPOLL_CTL_ADD, EPOLLIN);
    return conn;
}

static void use_lines(struct conn *conn)
{
    size_t used = 0;

    while (may_go_on(conn)) {
        char *line = conn->in + used;
        char *end = memchr(line, '\n', conn->in_len - used);

        if (!end) {
            if (conn->in_len - used > LINE_MAX_OCTETS)
                conn->is_ending = true;
            break;
        }
        used = (size_t)(end + 1 - conn->in);
        *end = '\0';
        if (end > line && end[-1] == '\r')
            end[-1] = '\0';
        do_line(conn, line);
    }
    conn->in_len -= used;
    memmove(conn->in, conn->in + used, conn->in_len);
}

static void use_http(struct conn *conn)
{
    if (conn->in_len >= 4 && memmem(conn->in, conn->in_len, "\r\n\r\n", 4)) {
        conn->whole = http_reply;
        conn->is_ending = true;
        conn->in_len = 0;
    }
}

static void watch_for_room(struct conn *conn, bool is_blocked)
{
    if (is_blocked == conn->is_blocked)
        return;
    conn->is_blocked = is_blocked;
    watch(conn, EPOLL_CTL_MOD, is_blocked ? EPOLLOUT : EPOLLIN);
}

/* Octets have arrived or the socket has room: continues this connection as far as possible. False
 * if it has ended. */
static bool conn_serve(struct conn *conn)
{
    bool is_more;

    do {
        size_t before = conn->in_len;

        if (conn->kind == KIND_POP3)
            use_lines(conn);
        else
            use_http(conn);
        if (!flush(conn) || (conn->is_ending && !has_output(conn))) {
            conn_drop(conn);
            return false;
        }
        is_more = conn->in_len && conn->in_len != before && !has_output(conn);
    } while (is_more);
    watch_for_room(conn, has_output(conn));
    return true;
}

/* False if nothing was received, or if the connection has ended. */
static bool conn_read(struct conn *conn)
{
    size_t len = 0;
    enum transport_result result = transport_read(
        &conn->transport, conn->in + conn->in_len, sizeof(conn->in) - conn->in_len, &len);

    conn->in_len += len;
    if (result != TRANSPORT_OK && result != TRANSPORT_AGAIN)
        conn_drop(conn);
    return result == TRANSPORT_OK;
}

/* True when the handshake is done. */
static bool conn_shake(struct conn *conn)
{
    enum transport_result result = transport_handshake(&conn->transport);

    if (result == TRANSPORT_AGAIN)
        watch_for_room(conn, conn->transport.wants_write);
    else if (result != TRANSPORT_OK)
        conn_drop(conn);
    if (result != TRANSPORT_OK)
        return false;
    conn->is_shaking = false;
    say(conn, MAIL_GREETING);
    return conn_serve(conn);
}

static void conn_event(struct conn *conn)
{
    bool is_served = true;

    if (conn->is_shaking)
        is_served = conn_shake(conn);
    else if (conn->is_blocked)
        is_served = conn_serve(conn);
    else
        is_served = conn_read(conn) && conn_serve(conn);
    /* TLS may hold octets that no event reports. */
    while (is_served && conn->transport.tls && !conn->is_blocked)
        is_served = conn_read(conn) && conn_serve(conn);
}

static void greet(struct conn *conn, enum kind listener)
{
    if (listener == KIND_LISTEN_POP3S) {
        transport_accept_tls(&conn->transport, conn->transport.fd);
        conn->is_shaking = true;
    } else if (listener == KIND_LISTEN_POP3) {
        say(conn, MAIL_GREETING);
        (void)conn_serve(conn);
    }
}

static void accept_all(const struct conn *listener)
{
    int fd;

    while ((fd = accept4(listener->transport.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        greet(conn_new(listener->kind == KIND_LISTEN_HTTP ? KIND_HTTP : KIND_POP3, fd),
              listener->kind);
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        bench_die_errno("accept");
}

static _Noreturn void serve(void)
{
    struct epoll_event events[EVENTS];
    int i, n;

    for (;;) {
        n = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            bench_die_errno("epoll_wait");
        for (i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;

            if (conn->kind < KIND_POP3)
                accept_all(conn);
            else
                conn_event(conn);
        }
    }
}

static void listen_http(const char *text)
{
    struct sockaddr_in address = bench_address("auth-http", text);
    char host[INET_ADDRSTRLEN];
    int len;

    conn_new(KIND_LISTEN_HTTP, bench_listen(&address, SOMAXCONN, true));
    inet_ntop(AF_INET, &pop3_address.sin_addr, host, sizeof(host));
    len = asprintf(&http_reply.at,
                   "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: %s\r\nAuth-Port: %u\r\n\r\n",
                   host, (unsigned)ntohs(pop3_address.sin_port));
    if (len < 0)
        bench_die("out of memory");
    http_reply.len = (size_t)len;
    bench_say_ready("auth-http", &address);
}

static void listen_tls(const char *text, const char *certificate, const char *key)
{
    struct sockaddr_in address = bench_address("listen-tls", text);

    if (!certificate || !key)
        bench_die("--listen-tls needs --cert and --key");
    transport_serve_tls(certificate, key);
    conn_new(KIND_LISTEN_POP3S, bench_listen(&address, SOMAXCONN, true));
    bench_say_ready("tls", &address);
}

static const char help[] =
    "usage: pop3_canned [options]\n"
    "  --listen ADDRESS:PORT     serve POP3 on this address (127.0.0.1:0: a free port)\n"
    "  --auth-http ADDRESS:PORT  answer nginx's auth_http requests on this one (off)\n"
    "  --listen-tls ADDRESS:PORT serve POP3 over TLS on this address (off)\n"
    "  --cert FILE, --key FILE   its certificate and key, PEM\n"
    "  --with-parent             exit when the parent process ends\n"
    "  --help                    print this help\n"
    "Prints \"ready ADDRESS:PORT\" when it accepts connections. A user name such as\n"
    "m10x8192-000001 has 10 messages of 8192 octets and the password\n"
    "\"secret of m10x8192-000001\".\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"auth-http", required_argument, NULL, 'a'},
        {"listen-tls", required_argument, NULL, 't'}, {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"with-parent", no_argument, NULL, 'p'},  {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *listen_text = "127.0.0.1:0", *http_text = NULL;
    const char *tls_text = NULL, *certificate = NULL, *key = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'l': listen_text = optarg; break;
        case 'a': http_text = optarg; break;
        case 't': tls_text = optarg; break;
        case 'c': certificate = optarg; break;
        case 'k': key = optarg; break;
        case 'p': bench_end_with_parent(); break;
        case 'h': fputs(help, stdout); return 0;
        default: fputs(help, stderr); return 64;
        }
    }
    signal(SIGPIPE, SIG_IGN);               /* OpenSSL's writes raise it */
    bench_raise_files();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        bench_die_errno("epoll_create1");
    pop3_address = bench_address("listen", listen_text);
    conn_new(KIND_LISTEN_POP3, bench_listen(&pop3_address, SOMAXCONN, true));
    if (http_text)
        listen_http(http_text);
    if (tls_text)
        listen_tls(tls_text, certificate, key);
    bench_say_ready("ready", &pop3_address);
    serve();
}
