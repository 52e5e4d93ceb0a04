/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The actions of a script, and the doubles for everything a session waits for.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/dial.h"
#include "lanes.h"
#include "pop3/sasl.h"

enum {
    SCRIPT_SETTINGS = 3,
    HAS_VARIANT = 16, /* in the first of them: there is a fourth */
    HAS_MANY = 128,   /* likewise: several sessions */
    SMALL_BUFFER = 4608,
    SENT_MAX = PEERS_OCTETS_MAX / 2, /* by one end in all: our own replies fit after it */
    IDLE_TURNS_MAX = 100,            /* waits that end without anything moving: a busy loop */
    BODY_MAX_KIB = 200,
    QUESTION_US = 300,
};

struct peers peers;

static const uint8_t *head; /* the first octets of the script */
static bool has_variant;
static const uint8_t *script;
static size_t script_left;

/* ---- the ends ---- */

static void octets_add(struct octets *octets, const void *data, size_t length)
{
    if (octets->data == NULL)
        octets->data = malloc(PEERS_OCTETS_MAX);
    CHECK(octets->data != NULL);
    CHECK(length <= PEERS_OCTETS_MAX - octets->length);
    if (length > 0)
        memcpy(octets->data + octets->length, data, length);
    octets->length += length;
}

static int out_fd_of(const struct peers_end *end)
{
    return end->out_fd != -1 ? end->out_fd : end->fd;
}

static void end_close(struct peers_end *end)
{
    if (end->fd != -1)
        close(end->fd);
    if (end->out_fd != -1)
        close(end->out_fd);
    end->fd = end->out_fd = -1;
    end->pending.length = 0;
}

static void end_push(struct peers_end *end)
{
    while (end->fd != -1 && end->pending.length > 0) {
        ssize_t moved = send(out_fd_of(end), end->pending.data, end->pending.length,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (moved <= 0) {
            if (errno != EAGAIN)
                end->pending.length = 0; /* the session is gone */
            return;
        }
        octets_add(end->sent, end->pending.data, (size_t)moved);
        end->pending.length -= (size_t)moved;
        memmove(end->pending.data, end->pending.data + moved, end->pending.length);
    }
    if (end->fd != -1 && end->is_ending)
        shutdown(out_fd_of(end), SHUT_WR);
}

static void end_drain(struct peers_end *end)
{
    char data[16384];

    while (end->fd != -1 && !end->is_held && read(end->fd, data, sizeof(data)) > 0)
        continue;
}

static void end_send(struct peers_end *end, const void *data, size_t length)
{
    bool has_room = length <= SENT_MAX - end->sent->length - end->pending.length;

    if (end->fd != -1 && !end->is_ending && has_room)
        octets_add(&end->pending, data, length);
}

void peers_turn(void)
{
    end_push(&peers.client);
    end_push(&peers.server);
    end_drain(&peers.client);
    end_drain(&peers.server);
}

/* ---- the script ---- */

static void send_body(unsigned kib)
{
    static const char line[] =
        "The quick brown fox jumps over the lazy dog; ..but who cares.\r\n\r";

    for (size_t i = 0; i < (size_t)(kib % BODY_MAX_KIB) * 16; i++)
        end_send(&peers.server, line, sizeof(line) - 1);
}

static void act(uint8_t letter, const uint8_t *data, size_t length)
{
    switch (letter) {
    case 'C':
        end_send(&peers.client, data, length);
        break;
    case 'S':
        end_send(&peers.server, data, length);
        break;
    case 'B':
        send_body(peers.io_most > 0 ? 1 : length > 0 ? data[0] : 16);
        break;
    case 'c':
        peers.client.is_ending = true;
        break;
    case 's':
        peers.server.is_ending = true;
        break;
    case 'R':
        peers.is_client_well = false;
        end_close(&peers.client);
        break;
    case 'r':
        end_close(&peers.server);
        break;
    case 'H':
        peers.is_client_well = false;
        peers.client.is_held = !peers.client.is_held;
        break;
    case 'T':
        peers.was_stopped = true;
        if (lanes_are_many())
            lanes_stop();
        else
            peers.is_stop_requested = true;
        break;
    case '0':
    case '1':
    case '2':
    case '3':
        if (lanes_are_many())
            lanes_choose((unsigned)(letter - '0'));
        break;
    default:
        break;
    }
}

uint8_t peers_act_next(void)
{
    bool is_together = false;
    uint8_t letter = 0;

    while (script_left >= 2) {
        const uint8_t *data = script + 2;
        const uint8_t *next = memchr(data, 0xff, script_left - 2);
        size_t length = next == NULL ? script_left - 2 : (size_t)(next - data);

        letter = script[1];
        script = data + length;
        script_left -= length + 2;
        act(letter, data, length);
        is_together = letter == '+' || (lanes_are_many() && letter >= '0' && letter <= '3');
        if (!is_together)
            break;
    }
    peers.idle_turns = 0;
    peers_turn();
    return letter;
}

/* ---- doubles: waiting and time ---- */

enum io_status __wrap_wait_for(struct pollfd *fds, unsigned count, int64_t deadline_ms);
enum io_status __wrap_wait_for_one(int fd, short events, int64_t deadline_ms);
void __wrap_wait_note(int fd, short event, bool is_exhausted);
void __real_wait_note(int fd, short event, bool is_exhausted);
void __real_wait_clear_stop(void);
enum io_status __real_wait_for(struct pollfd *fds, unsigned count, int64_t deadline_ms);
void __wrap_wait_clear_stop(void);
bool __wrap_wait_is_stop_requested(void);
bool __wrap_wait_may_sleep_in_calls(void);
uint64_t __real_wait_instant(void);
uint64_t __wrap_wait_instant(void);
int64_t __wrap_clock_now_ms(void);
int64_t __wrap_clock_now_us(void);

/* Among others: the scheduler waits, and lanes.c performs the actions. */
static enum io_status wait_among_others(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    enum io_status status;

    peers_turn();
    status = __real_wait_for(fds, count, deadline_ms);
    if (status == IO_OK)
        CHECK(++peers.idle_turns < IDLE_TURNS_MAX);
    return status;
}

enum io_status peers_pass_until(int64_t deadline_ms)
{
    if (lanes_are_many())
        return __real_wait_for(NULL, 0, deadline_ms);
    peers.now_ms = deadline_ms;
    return IO_DEADLINE;
}

enum io_status __wrap_wait_for(struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
    if (lanes_are_many())
        return wait_among_others(fds, count, deadline_ms);
    for (;;) {
        uint8_t letter;

        if (peers.is_stop_requested)
            return IO_STOPPED;
        wait_pass();
        peers_turn();
        if (poll(fds, count, 0) > 0) {
            CHECK(++peers.idle_turns < IDLE_TURNS_MAX);
            return IO_OK;
        }
        if (deadline_ms == CLOCK_PASSED || deadline_ms <= peers.now_ms)
            return IO_DEADLINE;
        CHECK(deadline_ms != CLOCK_NEVER);
        /* A moment of listening is too short for an action. */
        letter = deadline_ms - peers.now_ms > PEERS_MOMENT_MS ? peers_act_next() : 'D';
        if (letter == 0 || letter == 'D')
            peers.now_ms = deadline_ms;
        else if (letter == 'W')
            peers.now_ms += (deadline_ms - peers.now_ms) / 2;
    }
}

enum io_status __wrap_wait_for_one(int fd, short events, int64_t deadline_ms)
{
    struct pollfd one = {.fd = fd, .events = events};

    return __wrap_wait_for(&one, 1, deadline_ms);
}

/* A read that was cut short has not emptied the socket. */
void __wrap_wait_note(int fd, short event, bool is_exhausted)
{
    if (peers.io_most == 0)
        __real_wait_note(fd, event, is_exhausted);
}

void __wrap_wait_clear_stop(void)
{
    peers.is_stop_requested = false;
    if (lanes_are_many())
        __real_wait_clear_stop();
}

/* Every wait must come through here. */
bool __wrap_wait_may_sleep_in_calls(void)
{
    return false;
}

bool __wrap_wait_is_stop_requested(void)
{
    return peers.is_stop_requested;
}

/* A read that was cut short has not emptied the socket, though it looks like it: an instant is over
 * before it is asked for. */
uint64_t __wrap_wait_instant(void)
{
    if (peers.io_most > 0)
        wait_pass();
    return __real_wait_instant();
}

int64_t __wrap_clock_now_ms(void)
{
    return peers.now_ms;
}

/* Each question takes a part of the time that a session may run before others do. */
int64_t __wrap_clock_now_us(void)
{
    static int64_t asked;

    return peers.now_ms * 1000 + asked++ * QUESTION_US;
}

/* ---- doubles: reads and writes, which are recorded ---- */

ssize_t __real_recv(int fd, void *to, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t size, int flags);
ssize_t __real_send(int fd, const void *from, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *from, size_t length, int flags);
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size);
ssize_t __real_write(int fd, const void *from, size_t length);
ssize_t __wrap_write(int fd, const void *from, size_t length);
ssize_t __real_splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t size,
                      unsigned flags);
ssize_t __wrap_splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t size,
                      unsigned flags);
int __wrap_getpeername(int fd, struct sockaddr *to, socklen_t *size);

static bool is_sessions(int fd)
{
    return fd == peers.client_fds[0] || fd == peers.client_fds[1] || fd == peers.server_fd;
}

static size_t cut(int fd, size_t size)
{
    return is_sessions(fd) && peers.io_most > 0 && size > peers.io_most ? peers.io_most : size;
}

static ssize_t note_read(int fd, ssize_t moved)
{
    if (moved > 0 && fd == peers.server_fd)
        peers.read_from_server += (size_t)moved;
    if (is_sessions(fd) && moved > 0)
        peers.idle_turns = 0;
    return moved;
}

static ssize_t note_write(int fd, const void *from, ssize_t moved)
{
    if (moved <= 0 || !is_sessions(fd))
        return moved;
    peers.idle_turns = 0;
    octets_add(fd == peers.server_fd ? &peers.to_server : &peers.to_client, from, (size_t)moved);
    if (fd == peers.server_fd)
        peers_after_server_write();
    return moved;
}

ssize_t __wrap_recv(int fd, void *to, size_t size, int flags)
{
    if ((flags & MSG_PEEK) != 0)
        return __real_recv(fd, to, cut(fd, size), flags);
    return note_read(fd, __real_recv(fd, to, cut(fd, size), flags));
}

ssize_t __wrap_read(int fd, void *to, size_t size)
{
    return note_read(fd, __real_read(fd, to, cut(fd, size)));
}

ssize_t __wrap_send(int fd, const void *from, size_t length, int flags)
{
    if (fd == peers.server_fd && fd != -1)
        peers_before_server_write();
    return note_write(fd, from, __real_send(fd, from, cut(fd, length), flags));
}

ssize_t __wrap_write(int fd, const void *from, size_t length)
{
    return note_write(fd, from, __real_write(fd, from, cut(fd, length)));
}

/* What moves inside the kernel is recorded from a copy of the pipe. */
static ssize_t splice_and_listen(int from, int to, size_t size, unsigned flags)
{
    int copy[2];
    char *data = malloc(size);
    ssize_t moved;

    CHECK(data != NULL && pipe2(copy, O_CLOEXEC | O_NONBLOCK) == 0);
    CHECK(fcntl(copy[1], F_SETPIPE_SZ, fcntl(from, F_GETPIPE_SZ)) != -1);
    CHECK(tee(from, copy[1], size, 0) == (ssize_t)size);
    CHECK(read(copy[0], data, size) == (ssize_t)size);
    moved = note_write(to, data, __real_splice(from, NULL, to, NULL, size, flags));
    close(copy[0]);
    close(copy[1]);
    free(data);
    return moved;
}

ssize_t __wrap_splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t size,
                      unsigned flags)
{
    if (is_sessions(to))
        return splice_and_listen(from, to, size, flags);
    return note_read(from, __real_splice(from, from_at, to, to_at, cut(from, size), flags));
}

/* The session gets an internet address, so that it takes every path. */
int __wrap_getpeername(int fd, struct sockaddr *to, socklen_t *size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(50000)};

    (void)fd;
    address.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
    memcpy(to, &address, sizeof(address));
    *size = sizeof(address);
    return 0;
}

/* ---- doubles: connecting, the helper, the log ---- */

enum io_status __wrap_dial(const struct address *addresses, size_t count, const struct dial_settings *settings,
                           int64_t deadline_ms, int *fd_r, size_t *chosen_r);
enum io_status __wrap_helper_resolve(struct helper *helper, const char *session, uint64_t account,
                                     const char *host, uint16_t port, enum helper_extent extent,
                                     int64_t deadline_ms, struct helper_addresses *addresses);
enum io_status __wrap_helper_ask_access(struct helper *helper, uint64_t account,
                                        const struct helper_access *access, helper_output *output,
                                        void *context, int64_t deadline_ms, bool *granted_r);
enum io_status __wrap_helper_record_client(struct helper *helper, const char *session,
                                           const char *client_text, const char *line,
                                           int64_t deadline_ms);
void __wrap_log_end(struct log_line *line);

/* The server is always known: what CAPA before the login teaches is tested in t/. */
enum io_status __wrap_dial(const struct address *addresses, size_t count, const struct dial_settings *settings,
                           int64_t deadline_ms, int *fd_r, size_t *chosen_r)
{
    (void)settings;
    CHECK(count > 0 && addresses[0].sa.sa_family != AF_UNSPEC);
    if (peers.is_stop_requested)
        return IO_STOPPED;
    if (peers.server_session_fd == -1) { /* after a refused token: there is one script for a server */
        errno = ECONNREFUSED;
        return IO_FAILED;
    }
    if (peers.dial_errno != 0) {
        errno = peers.dial_errno;
        if (errno != ETIMEDOUT)
            return IO_FAILED;
        return peers_pass_until(deadline_ms);
    }
    known_servers_put(&peers.known_servers, known_servers_key(&addresses[0], false), peers.now_ms, &peers.server_facts);
    known_servers_put(&peers.known_servers, known_servers_key(&addresses[0], true), peers.now_ms, &peers.server_facts);
    *chosen_r = 0;
    *fd_r = peers.server_fd = peers.server_session_fd;
    peers.server_session_fd = -1;
    return IO_OK;
}

enum io_status __wrap_helper_resolve(struct helper *helper, const char *session, uint64_t account,
                                     const char *host, uint16_t port, enum helper_extent extent,
                                     int64_t deadline_ms, struct helper_addresses *addresses)
{
    (void)helper;
    (void)extent;
    (void)deadline_ms;
    CHECK(account != 0);
    CHECK(session[0] != '\0' && host[0] != '\0' && port != 0);
    if (strstr(host, "none") != NULL)
        addresses->count = 0;
    else
        CHECK(address_from_literal(&addresses->list[0], "192.0.2.2", port) == 0);
    return strstr(host, "fail") != NULL ? IO_FAILED : IO_OK;
}

enum io_status __wrap_helper_ask_access(struct helper *helper, uint64_t account,
                                        const struct helper_access *access, helper_output *output,
                                        void *context, int64_t deadline_ms, bool *granted_r)
{
    enum io_status status;

    (void)helper;
    CHECK(account != 0);
    CHECK(access->server_login != NULL && access->server[0] != '\0');
    *granted_r = peers.access == PEERS_ACCESS_GRANTED;
    for (const char *c = peers.acp_text; *c != '\0'; c++)
        if ((status = output(context, c, 1)) != IO_OK)
            return status;
    if (peers.access == PEERS_ACCESS_LATE)
        return peers_pass_until(deadline_ms);
    return peers.access == PEERS_ACCESS_FAILED ? IO_FAILED : IO_OK;
}

/* A line of four fields, and nothing that could forge another one. */
enum io_status __wrap_helper_record_client(struct helper *helper, const char *session,
                                           const char *client_text, const char *line,
                                           int64_t deadline_ms)
{
    size_t length = strlen(line);
    unsigned blanks = 0;

    (void)helper;
    (void)deadline_ms;
    CHECK(session[0] != '\0' && length > 0 && line[length - 1] == '\n');
    CHECK(peers.takes_header || strcmp(client_text, "192.0.2.1") == 0);
    for (size_t i = 0; i + 1 < length; i++) {
        CHECK(line[i] >= 0x20 && line[i] <= 0x7e);
        blanks += line[i] == ' ';
    }
    CHECK(blanks == 3);
    return IO_OK;
}

void __wrap_log_end(struct log_line *line)
{
    static const char session[] = "event=session ";

    CHECK(line->length <= sizeof(line->text));
    for (size_t i = 0; i < line->length; i++)
        CHECK(line->text[i] >= 0x20 && line->text[i] <= 0x7e);
    if (line->length > sizeof(session) && memcmp(line->text, session, sizeof(session) - 1) == 0)
        peers.sessions_logged++;
}

/* ---- begin, run, end ---- */

static void begin_variant(uint8_t variant, uint8_t fates)
{
    static const enum peers_server_tls ways[] = {PEERS_SERVER_TLS_STLS, PEERS_SERVER_TLS_IMPLICIT};
    static const unsigned versions[] = {0, 1, 2, 2};

    peers.variant = variant;
    peers.tls = (enum peers_tls)(variant & 3);
    peers.server_tls = (variant & 4) != 0 ? ways[fates >> 6 & 1] : PEERS_SERVER_TLS_NO;
    peers.has_bad_handshakes = fates >> 7 != 0;
    peers.has_auth_plain = (variant & 8) != 0;
    peers.takes_header = (variant & 16) != 0;
    peers.sends_header = versions[variant >> 5 & 3];
    peers.sends_xclient = (variant & 128) != 0;
}

static void begin_peers(uint8_t flags, uint8_t io_most, uint8_t fates)
{
    static const char *const texts[] = {"", "+OK one \033moment\n", "no end", "a\r\n\n-ERR b\n"};
    static const int errors[] = {0, 0, ECONNREFUSED, ETIMEDOUT};
    struct octets keep[] = {peers.from_client, peers.to_client, peers.from_server, peers.to_server};
    char *pending[] = {peers.client.pending.data, peers.server.pending.data};

    for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
        keep[i].length = 0;
        octets_add(&keep[i], "", 0); /* takes its memory */
    }
    peers = (struct peers){
        .selects_server = (flags & 1) != 0,
        .has_acp = (flags & 2) != 0,
        .has_pipes = (flags & 4) != 0,
        .has_small_buffers = (flags & 8) != 0,
        .io_most = io_most,
        .access = (enum peers_access)(fates & 3),
        .acp_text = texts[fates >> 2 & 3],
        .dial_errno = errors[fates >> 4 & 3],
        .server_facts.has_capa = (flags & 32) != 0,
        .server_facts.has_pipelining = (flags & 96) == 96,
        .server_facts.answers_once = true,
        .server_facts.mechanisms = (flags & 64) != 0 ? 1U << SASL_MECHANISM_XOAUTH2 : 0,
        .from_client = keep[0],
        .to_client = keep[1],
        .from_server = keep[2],
        .to_server = keep[3],
        .is_client_well = true,
        .server_fd = -1,
        .client.pending.data = pending[0],
        .server.pending.data = pending[1],
        .now_ms = 1000000,
    };
}

static void begin_end(struct peers_end *end, int fd, struct octets *sent)
{
    struct octets pending = {.data = end->pending.data};

    fcntl(fd, F_SETFL, O_NONBLOCK);
    *end = (struct peers_end){.fd = fd, .out_fd = -1, .sent = sent, .pending = pending};
}

static void make_pair(int pair[2])
{
    int octets = SMALL_BUFFER;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    if (peers.has_small_buffers)
        setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
}

/* [0] is the peer's, [1] the session's. Over pipes the client writes to a socket of its own, which
 * is what makes the session use read() and write(). */
static void make_ends(void)
{
    int pair[2], input[2], output[2];

    make_pair(pair);
    begin_end(&peers.server, pair[0], &peers.from_server);
    peers.server_session_fd = pair[1];
    make_pair(pair);
    begin_end(&peers.client, pair[0], &peers.from_client);
    peers.client_fds[0] = peers.client_fds[1] = pair[1];
    if (!peers.has_pipes)
        return;
    CHECK(pipe2(output, O_CLOEXEC | O_NONBLOCK) == 0);
    make_pair(input);
    close(pair[0]);
    close(pair[1]);
    peers.client.fd = output[0];
    peers.client.out_fd = input[0];
    peers.client_fds[0] = input[1];
    peers.client_fds[1] = output[1];
}

/* Sessions that share a process never block it. */
static void make_non_blocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

void peers_begin(peers_conf *conf, struct session *session)
{
    begin_peers(head[0], head[1], head[2]);
    if (has_variant)
        begin_variant(head[SCRIPT_SETTINGS], head[2]);
    if (lanes_are_many())
        peers.has_pipes = false;
    peers.start.conf = conf();
    peers.start.known_servers = &peers.known_servers;
    peers.session = session;
    make_ends();
    if (!lanes_are_many())
        return;
    make_non_blocking(peers.client_fds[0]);
    make_non_blocking(peers.server_session_fd);
}

void peers_session(void)
{
    peers.outcome =
        session_run(peers.session, &peers.start, peers.client_fds[0], peers.client_fds[1]);
    peers.ended_ms = peers.now_ms;
}

static bool is_closed(int fd)
{
    return fcntl(fd, F_GETFD) == -1;
}

void peers_end(void)
{
    if (peers.server_session_fd != -1)
        close(peers.server_session_fd);
    else
        CHECK(is_closed(peers.server_fd));
    end_close(&peers.client);
    end_close(&peers.server);
}

unsigned peers_run(peers_conf *conf, const uint8_t *data, size_t size)
{
    static struct session session;

    signal(SIGPIPE, SIG_IGN); /* as every program that starts a session does */
    head = data;
    has_variant = (data[0] & HAS_VARIANT) != 0 && size > SCRIPT_SETTINGS;
    script = data + SCRIPT_SETTINGS + has_variant;
    script_left = size - SCRIPT_SETTINGS - has_variant;
    lanes_set_many((data[0] & HAS_MANY) != 0);
    if (lanes_are_many())
        return lanes_run(conf);
    peers_reset();
    peers_begin(conf, &session);
    peers_session();
    CHECK(is_closed(peers.client_fds[0]) && is_closed(peers.client_fds[1]));
    peers_end();
    return 1;
}
