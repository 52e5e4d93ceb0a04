/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dialogue: greeting, TLS, USER and PASS, STAT, LIST, UIDL, RETR of each message if hashes are
 * wanted, RSET after them, QUIT. A server may be hostile or half dead: every reply has a limit of
 * time, and no number in it makes us take more memory than there is.
 */
#include "compare/compare_mailbox.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/octet.h"
#include "io/dial.h"
#include "io/stream.h"
#include "pop3/reply.h"
#include "session/secret.h"

enum {
    LINE_BYTES = 1024, /* a line of a listing with its end; RFC 1939 allows 512 */
    COMMAND_BYTES = 64,
    SLACK_OCTETS = 64 * 1024, /* a message may be longer than LIST says: line ends, dots */
    SLACK_FACTOR = 4,
    LEAST_OCTETS_PER_S = 1024, /* of a long reply; a slower server is as bad as a silent one */
};

static const struct {
    const char *word;
    const char *text;
} failures[] = {
    {"", ""},
#define COMPARE_FAILURE(name, word, text) {word, text},
#include "compare/compare_failure.def"
#undef COMPARE_FAILURE
};

const char *compare_failure_word(enum compare_failure failure)
{
    return failures[failure].word;
}

const char *compare_failure_text(enum compare_failure failure)
{
    return failures[failure].text;
}

/* One visit at the server. */
struct visit {
    struct compare_mailbox *mailbox;
    const struct compare_server *server;
    const struct compare_login *login;
    struct stream stream;
    struct secret_prints secrets;
    int64_t begun_ms;  /* when the reply under way began to be waited for, */
    uint64_t received; /* and how many octets of it have come */
    char line[LINE_BYTES]; /* the last one read, without its end */
};

/* Each step returns false after it has noted why. */
static bool fail(struct visit *visit, enum compare_failure failure, const char *text)
{
    struct compare_mailbox *mailbox = visit->mailbox;

    mailbox->failure = failure;
    if (!secret_is_in(&visit->secrets, text))
        snprintf(mailbox->text, sizeof(mailbox->text), "%.*s", COMPARE_TEXT_SIZE - 1, text);
    octets_make_line(mailbox->text);
    return false;
}

static bool fail_io(struct visit *visit, enum io_status status)
{
    if (status == IO_DEADLINE)
        return fail(visit, COMPARE_FAILURE_TIMEOUT, "");
    return fail(visit, COMPARE_FAILURE_LOST, status == IO_EOF ? "" : strerror(errno));
}

/* ---- the time that a reply may take ---- */

/* Called before each command, before the greeting, and before TLS. */
static void begin_reply(struct visit *visit)
{
    visit->begun_ms = clock_now_ms();
    visit->received = 0;
}

/* One deadline for the whole reply, so that a server cannot win time by sending it octet by octet.
 * The limit grows with the octets that have come, so a long reply has the time that it needs. */
static int64_t deadline_ms(const struct visit *visit)
{
    return visit->begun_ms + visit->server->timeout_ms +
           (int64_t)(visit->received * 1000 / LEAST_OCTETS_PER_S);
}

/* ---- lines ---- */

static bool more_input(struct visit *visit)
{
    size_t before = buffer_length(&visit->stream.in);
    enum io_status status = stream_fill(&visit->stream, BUFFER_BLOCK_BYTES, deadline_ms(visit));

    visit->received += buffer_length(&visit->stream.in) - before;
    return status == IO_OK || fail_io(visit, status);
}

/* Reads one line into visit->line. */
static bool read_line(struct visit *visit)
{
    struct buffer *in = &visit->stream.in;

    for (;;) {
        const char *end = NULL;
        size_t length = buffer_length(in);

        if (length > 0)
            end = memchr(buffer_data(in), '\n', length);
        if (end != NULL) {
            length = (size_t)(end - buffer_data(in));
            if (length >= LINE_BYTES || memchr(buffer_data(in), '\0', length) != NULL)
                return fail(visit, COMPARE_FAILURE_PROTOCOL, "");
            memcpy(visit->line, buffer_data(in), length);
            visit->line[length] = '\0';
            if (length > 0 && visit->line[length - 1] == '\r')
                visit->line[length - 1] = '\0';
            buffer_consume(in, length + 1);
            return true;
        }
        if (length >= LINE_BYTES)
            return fail(visit, COMPARE_FAILURE_PROTOCOL, "");
        if (!more_input(visit))
            return false;
    }
}

/* Reads a status line; `refused` is what -ERR means here. */
static bool read_status(struct visit *visit, enum compare_failure refused)
{
    if (!read_line(visit))
        return false;
    if (strncmp(visit->line, "-ERR", 4) == 0)
        return fail(visit, refused, visit->line);
    return strncmp(visit->line, "+OK", 3) == 0 || fail(visit, COMPARE_FAILURE_PROTOCOL, "");
}

static bool ask(struct visit *visit, const char *verb, const char *argument,
                enum compare_failure refused)
{
    enum io_status status;

    visit->stream.out.is_secret = true;
    stream_put_text(&visit->stream, verb);
    stream_put_text(&visit->stream, argument);
    stream_put_text(&visit->stream, "\r\n");
    begin_reply(visit);
    status = stream_flush(&visit->stream, false, deadline_ms(visit));
    return status == IO_OK ? read_status(visit, refused) : fail_io(visit, status);
}

/* ---- up to the login ---- */

static bool open_connection(struct visit *visit)
{
    const struct compare_server *server = visit->server;
    const struct dial_settings settings = {0};
    size_t chosen;
    enum io_status status;
    int fd;

    begin_reply(visit);
    status = dial(server->addresses, server->address_count, &settings, deadline_ms(visit), &fd,
                  &chosen, NULL);
    if (status != IO_OK)
        return fail(visit, COMPARE_FAILURE_CONNECT,
                    status == IO_DEADLINE ? strerror(ETIMEDOUT) : strerror(errno));
    stream_open_socket(&visit->stream, fd);
    return true;
}

static bool begin_tls(struct visit *visit)
{
    const struct compare_server *server = visit->server;
    const char *why;

    if (buffer_length(&visit->stream.in) > 0)
        return fail(visit, COMPARE_FAILURE_TLS, "more was said than asked for");
    begin_reply(visit);
    if (stream_tls_connect(&visit->stream, server->context, server->name.host, server->name.port,
                           deadline_ms(visit)) == IO_OK)
        return true;
    why = stream_tls_failure(&visit->stream);
    return fail(visit, COMPARE_FAILURE_TLS, why == NULL ? "" : why);
}

static bool greet(struct visit *visit)
{
    enum compare_tls tls = visit->server->tls;

    if (tls == COMPARE_TLS_IMPLICIT && !begin_tls(visit))
        return false;
    begin_reply(visit);
    if (!read_status(visit, COMPARE_FAILURE_GREETING))
        return false;
    if (tls != COMPARE_TLS_STLS)
        return true;
    return ask(visit, "STLS", "", COMPARE_FAILURE_STLS) && begin_tls(visit);
}

static bool log_in(struct visit *visit)
{
    return ask(visit, "USER ", visit->login->user, COMPARE_FAILURE_LOGIN) &&
           ask(visit, "PASS ", visit->login->password, COMPARE_FAILURE_LOGIN);
}

/* ---- the listings ---- */

/* Two numbers with one blank between them, as STAT and LIST have; more may follow a blank. */
static bool parse_numbers(const char *text, uint64_t *first_r, uint64_t *second_r)
{
    char *end;

    if (!octet_is_digit(text[0]))
        return false;
    errno = 0;
    *first_r = strtoull(text, &end, 10);
    if (*end != ' ' || !octet_is_digit(end[1]))
        return false;
    *second_r = strtoull(end + 1, &end, 10);
    return errno == 0 && (*end == '\0' || *end == ' ');
}

static bool read_stat(struct visit *visit)
{
    struct compare_mailbox *mailbox = visit->mailbox;
    uint64_t count;

    if (!ask(visit, "STAT", "", COMPARE_FAILURE_REFUSED))
        return false;
    if (strlen(visit->line) < 4 || !parse_numbers(visit->line + 4, &count, &mailbox->octets))
        return fail(visit, COMPARE_FAILURE_PROTOCOL, visit->line);
    if (count > COMPARE_MESSAGES_MAX)
        return fail(visit, COMPARE_FAILURE_MEMORY, visit->line);
    mailbox->messages = calloc((size_t)count + 1, sizeof(*mailbox->messages));
    if (mailbox->messages == NULL)
        return fail(visit, COMPARE_FAILURE_MEMORY, visit->line);
    mailbox->count = (size_t)count;
    return true;
}

/* The message of a line "NUMBER text"; NULL where there is no such message. */
static struct compare_message *message_of_line(struct visit *visit, const char **text_r)
{
    char *end;
    unsigned long long number;

    if (!octet_is_digit(visit->line[0]))
        return NULL;
    number = strtoull(visit->line, &end, 10);
    if (number == 0 || number > visit->mailbox->count || *end != ' ' || end[1] == '\0')
        return NULL;
    *text_r = end + 1;
    return &visit->mailbox->messages[number - 1];
}

/* Like take_uidl(), false for a message that the server has listed already. */
static bool take_size(struct compare_message *message, const char *text)
{
    if (message->has_octets || !octet_is_digit(text[0]))
        return false;
    message->has_octets = true;
    message->octets = strtoull(text, NULL, 10);
    return true;
}

/* The first word: no server may give two. A message that is listed twice is no POP3. */
static bool take_uidl(struct compare_message *message, const char *text)
{
    if (message->uidl != NULL)
        return false;
    message->uidl = strndup(text, strcspn(text, " \t"));
    return message->uidl != NULL;
}

/* One line for each message, then a dot. */
static bool read_listing(struct visit *visit, const char *verb,
                         bool (*take)(struct compare_message *message, const char *text))
{
    size_t lines = 0;

    if (!ask(visit, verb, "", COMPARE_FAILURE_REFUSED))
        return false;
    for (;;) {
        struct compare_message *message;
        const char *text;

        if (!read_line(visit))
            return false;
        if (strcmp(visit->line, ".") == 0)
            break;
        message = message_of_line(visit, &text);
        if (message == NULL || ++lines > visit->mailbox->count || !take(message, text))
            return fail(visit, COMPARE_FAILURE_PROTOCOL, visit->line);
    }
    return lines == visit->mailbox->count ||
           fail(visit, COMPARE_FAILURE_PROTOCOL, "STAT and a listing disagree");
}

/* ---- UIDLs that are not unique ---- */

static int by_uidl_and_octets(const void *left, const void *right)
{
    const struct compare_message *a = *(const struct compare_message *const *)left;
    const struct compare_message *b = *(const struct compare_message *const *)right;
    int sign = strcmp(a->uidl, b->uidl);

    return sign != 0 ? sign : (a->octets > b->octets) - (a->octets < b->octets);
}

/* A server may make UIDLs of what is in a message, so two copies of one may have the same (RFC 1939,
 * section 7). Two messages of different size are no copies. */
static bool check_uidls(struct visit *visit)
{
    const struct compare_mailbox *mailbox = visit->mailbox;
    const struct compare_message **sorted = calloc(mailbox->count + 1, sizeof(*sorted));
    const char *shared = NULL;

    if (sorted == NULL)
        return fail(visit, COMPARE_FAILURE_MEMORY, "");
    for (size_t i = 0; i < mailbox->count; i++)
        sorted[i] = &mailbox->messages[i];
    qsort(sorted, mailbox->count, sizeof(*sorted), by_uidl_and_octets);
    for (size_t i = 1; i < mailbox->count; i++)
        if (strcmp(sorted[i - 1]->uidl, sorted[i]->uidl) == 0 &&
            sorted[i - 1]->octets != sorted[i]->octets)
            shared = sorted[i]->uidl;
    free(sorted);
    return shared == NULL || fail(visit, COMPARE_FAILURE_UIDLS, shared);
}

/* ---- the messages ---- */

static void add_octets(struct compare_message *message, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        message->hash = hash_add(message->hash, data[i]);
}

static bool read_message(struct visit *visit, size_t index)
{
    struct compare_message *message = &visit->mailbox->messages[index];
    struct buffer *in = &visit->stream.in;
    char number[COMMAND_BYTES];
    struct reply_end end;
    uint64_t left = SLACK_OCTETS + SLACK_FACTOR * (message->octets & UINT32_MAX);
    bool is_end = false;

    snprintf(number, sizeof(number), "%zu", index + 1);
    if (!ask(visit, "RETR ", number, COMPARE_FAILURE_REFUSED))
        return false;
    message->hash = HASH_SEED;
    reply_end_init(&end);
    while (!is_end) {
        size_t length;

        if (buffer_length(in) == 0 && !more_input(visit))
            return false;
        length = reply_end_scan(&end, buffer_data(in), buffer_length(in), &is_end);
        if (length > left)
            return fail(visit, COMPARE_FAILURE_PROTOCOL, "a message does not end");
        left -= length;
        add_octets(message, buffer_data(in), length);
        buffer_consume(in, length);
        wait_pause();
    }
    return true;
}

static bool read_messages(struct visit *visit)
{
    for (size_t i = 0; i < visit->mailbox->count; i++)
        if (!read_message(visit, i))
            return false;
    return true;
}

/* ---- the whole ---- */

/* At RETR a server such as Dovecot notes that the message has been read, and it keeps the note at
 * QUIT; RSET before it takes the note back. The mailbox is known by now, so no failure counts. */
static void say_goodbye(struct visit *visit, bool has_read)
{
    if (has_read)
        (void)ask(visit, "RSET", "", COMPARE_FAILURE_REFUSED);
    (void)ask(visit, "QUIT", "", COMPARE_FAILURE_REFUSED);
    visit->mailbox->failure = COMPARE_GOOD;
    visit->mailbox->text[0] = '\0';
}

void compare_mailbox_read(struct compare_mailbox *mailbox, const struct compare_server *server,
                          const struct compare_login *login, bool with_hashes)
{
    struct visit visit = {.mailbox = mailbox, .server = server, .login = login};

    *mailbox = (struct compare_mailbox){.failure = COMPARE_GOOD};
    secret_begin(&visit.secrets, login->user);
    secret_note(&visit.secrets, login->password, strlen(login->password));
    if (open_connection(&visit) && greet(&visit) && log_in(&visit) && read_stat(&visit) &&
        read_listing(&visit, "LIST", take_size) && read_listing(&visit, "UIDL", take_uidl) &&
        check_uidls(&visit) &&
        (!with_hashes || read_messages(&visit)))
        say_goodbye(&visit, with_hashes);
    stream_close(&visit.stream);
}

void compare_mailbox_free(struct compare_mailbox *mailbox)
{
    for (size_t i = 0; mailbox->messages != NULL && i < mailbox->count; i++)
        free(mailbox->messages[i].uidl);
    free(mailbox->messages);
    mailbox->messages = NULL;
    mailbox->count = 0;
}
