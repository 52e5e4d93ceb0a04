/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the whole session: the input is a script for a client and a server (peers.h).
 * Whatever they do:
 *
 *   - a line goes to the server only if it is a command of the table, well formed, in the right
 *     state, and one that the client has sent: so never a QUIT of our own;
 *   - it goes there only after every earlier reply is complete and no spare octet has come, except
 *     USER, PASS and our CAPA in one segment for a server with PIPELINING;
 *   - a server with CAPA has shown by its reply to it, after the login, that it has let us in;
 *   - the client gets one reply to each command, in order, the server's octet for octet, and at
 *     most one last reply of ours, never inside another reply;
 *   - a client that ends in good order has got every reply;
 *   - a multi-line reply ends with CRLF.CRLF, or with LF.CRLF if nothing more has come when the
 *     client's next command goes to the server;
 *   - nothing of a login is left in memory, nothing is left open, one line is logged;
 *   - no wait is without a limit, and no loop is busy;
 *   - nothing is sent before a PROXY header is complete, and ours is the first that a server gets;
 *   - STLS and XCLIENT come at the right time; TLS begins with empty buffers and forgets USER;
 *   - all of this for each session of a script that has several in one process.
 *
 * After a client has tried AUTH or STLS, only the server's side is compared: fuzz_sasl checks the
 * rest.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "lanes.h"
#include "peers.h"
#include "pop3/proxy_header.h"
#include "pop3/sasl.h"
#include "reference.h"
#include "session/server_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    COMMANDS_MAX = 6, /* refused ones; the sixth ends the session */
    FREE_MAX = 20,    /* of CAPA, AUTH and USER before the login */
    POOL_BLOCKS = 6,  /* more than a session holds at once */
    LOOSE_ENDS_MAX = 64,
};

/* ---- the client's lines, read again ---- */

struct line {
    const char *text;
    size_t length; /* without its end */
    bool is_too_long;
};

struct reader {
    size_t at; /* in what the client sent */
    enum command_state state;
    unsigned refused;
    unsigned free;
    bool is_over; /* after QUIT or the sixth refusal */
    bool has_user;
    bool is_opaque; /* AUTH or STLS was tried: what follows would have to be decoded */
    struct line user;
};

/* The client's commands begin after the PROXY header. False while the header is incomplete. */
static bool find_begin(struct reader *reader)
{
    struct proxy_header header;

    if (!peers.takes_header || reader->at > 0)
        return true;
    if (proxy_header_parse(&header, PROXY_HEADER_ACCEPT_EITHER, peers.from_client.data,
                           peers.from_client.length) == PROXY_HEADER_COMPLETE)
        reader->at = header.length;
    return reader->at > 0;
}

static bool next_line(struct reader *reader, struct line *line)
{
    bool has_begun = find_begin(reader);
    const char *start = peers.from_client.data + reader->at;
    size_t left = peers.from_client.length - reader->at;
    const char *newline = left == 0 ? NULL : memchr(start, '\n', left);

    if (newline == NULL || reader->is_over || !has_begun)
        return false;
    line->text = start;
    line->length = (size_t)(newline - start);
    line->is_too_long = line->length >= COMMAND_LINE_BYTES;
    reader->at += line->length + 1;
    if (line->length > 0 && start[line->length - 1] == '\r')
        line->length--;
    return true;
}

/* Before TLS: after STLS nothing more is read. */
static bool may_come(enum command_verb verb)
{
    if (verb == COMMAND_STLS)
        return peers.tls == PEERS_TLS_STLS || peers.tls == PEERS_TLS_REQUIRED;
    return peers.tls != PEERS_TLS_REQUIRED || (verb != COMMAND_USER && verb != COMMAND_AUTH);
}

static bool is_free(enum command_verb verb)
{
    return verb == COMMAND_CAPA || verb == COMMAND_AUTH || verb == COMMAND_USER;
}

/* The shape of the line, NULL when it must be refused. Keeps the reader's state. */
static const struct reference_command *judge(struct reader *reader, const struct line *line)
{
    const struct reference_command *shape = NULL;

    if (!line->is_too_long)
        shape = reference_command(line->text, line->length, reader->state);
    if (shape != NULL && shape->verb == COMMAND_PASS && !reader->has_user)
        shape = NULL;
    if (shape != NULL && reader->state == COMMAND_STATE_AUTH && is_free(shape->verb) &&
        ++reader->free > FREE_MAX)
        shape = NULL;
    if (shape != NULL && !may_come(shape->verb))
        shape = NULL;
    if (shape != NULL && (shape->verb == COMMAND_AUTH || shape->verb == COMMAND_STLS))
        reader->is_opaque = reader->is_over = true;
    if (shape == NULL && ++reader->refused == COMMANDS_MAX)
        reader->is_over = true;
    if (shape == NULL)
        return NULL;
    if (shape->verb == COMMAND_USER) {
        reader->has_user = true;
        reader->user = *line;
    } else if (shape->verb == COMMAND_PASS) {
        reader->state = COMMAND_STATE_TRANS;
    } else if (shape->verb == COMMAND_QUIT) {
        reader->is_over = true;
    }
    return shape;
}

/* The next line that is for the server. */
static const struct reference_command *next_for_server(struct reader *reader, struct line *line)
{
    while (!reader->is_opaque && next_line(reader, line)) {
        bool was_before_login = reader->state == COMMAND_STATE_AUTH;
        const struct reference_command *shape = judge(reader, line);

        if (shape != NULL && (!was_before_login || shape->verb == COMMAND_PASS))
            return shape;
    }
    return NULL;
}

/* ---- the server's replies, read again ---- */

struct reply {
    const char *line;
    size_t status_length;
    size_t length; /* with the body; what there is of it while it is incomplete */
    bool is_ok;
    bool has_status;
    bool is_complete;
    bool is_challenge;
};

/* What may answer AUTH (RFC 5034): a challenge, which is a line of its own. */
static bool read_challenge(size_t at, struct reply *reply)
{
    const char *line = peers.from_server.data + at;
    size_t left = peers.from_server.length - at;
    const char *newline = left == 0 ? NULL : memchr(line, '\n', left);

    if (left < 2 || line[0] != '+' || (line[1] != ' ' && line[1] != '\r'))
        return false;
    *reply = (struct reply){.line = line, .length = left, .is_challenge = true};
    if (newline != NULL && newline[-1] == '\r') {
        reply->length = (size_t)(newline - line) + 1;
        reply->is_complete = true;
    }
    return true;
}

/* The replies that were over after LF.CRLF: where each begins and ends in what the server sent. */
static struct loose_ends {
    unsigned count;
    struct {
        size_t begin, end;
    } list[LOOSE_ENDS_MAX];
} loose_ends;

static size_t find_loose_end(size_t at)
{
    for (unsigned i = 0; i < loose_ends.count; i++)
        if (loose_ends.list[i].begin == at)
            return loose_ends.list[i].end;
    return 0;
}

static void note_loose_end(size_t at, size_t end)
{
    if (end - at < 4 || loose_ends.count == LOOSE_ENDS_MAX ||
        memcmp(peers.from_server.data + end - 4, "\n.\r\n", 4) != 0)
        return;
    loose_ends.list[loose_ends.count].begin = at;
    loose_ends.list[loose_ends.count++].end = end;
}

static struct reply read_reply(size_t at, bool is_multi_line)
{
    struct reply reply = {.line = peers.from_server.data + at};
    size_t left = peers.from_server.length - at;
    enum reply_status status = reference_status(reply.line, left, &reply.status_length);
    size_t body;

    reply.length = reply.status_length;
    if (status != REPLY_OK && status != REPLY_ERR)
        return reply;
    reply.has_status = true;
    reply.is_ok = status == REPLY_OK;
    reply.is_complete = !is_multi_line || !reply.is_ok;
    if (reply.is_complete)
        return reply;
    left -= reply.status_length;
    body = reference_end(reply.line + reply.status_length, left);
    if (find_loose_end(at) > 0)
        body = find_loose_end(at) - at - reply.status_length;
    reply.is_complete = body > 0;
    reply.length += body > 0 ? body : left;
    return reply;
}

/* ---- what the server gets, as it gets it ---- */

static struct to_server {
    struct reader client;
    size_t at;          /* in what the session wrote: the line being checked */
    unsigned commands;  /* whole lines */
    size_t replied_at;  /* in what the server sent: after the replies to them */
    unsigned replies;   /* the greeting among them */
    bool is_multi_line; /* the last command's reply may be */
    bool is_last_ok;
    bool is_last_challenge;
    bool has_quit;
    bool has_header;   /* of the PROXY protocol: it has gone out */
    unsigned before;   /* STLS and XCLIENT: commands before the login */
    unsigned login;    /* lines of the login */
    bool is_auth;      /* it is AUTH, and not USER and PASS */
    bool has_data;     /* and has said who it is */
    bool is_confirmed; /* our CAPA after the login has gone out */
    bool is_relaying;  /* the login is over */
    bool is_question;  /* the last command may be refused, and the login goes on */
} to_server;

static void settle_replies(void)
{
    while (to_server.replies < to_server.commands + 1) {
        struct reply reply;

        bool is_last = to_server.replies == to_server.commands;

        if (!to_server.is_auth || to_server.is_relaying || to_server.is_confirmed ||
            !read_challenge(to_server.replied_at, &reply))
            reply = read_reply(to_server.replied_at, to_server.is_multi_line && is_last);
        if (!reply.is_complete && reply.has_status && to_server.is_relaying) {
            note_loose_end(to_server.replied_at, peers.from_server.length);
            reply = read_reply(to_server.replied_at, to_server.is_multi_line && is_last);
        }
        if (!reply.is_complete)
            return;
        to_server.replied_at += reply.length;
        to_server.is_last_ok = reply.is_ok;
        to_server.is_last_challenge = reply.is_challenge;
        to_server.replies++;
    }
}

static bool is_header_due(void)
{
    return peers.sends_header > 0 && !to_server.has_header;
}

void peers_before_server_write(void)
{
    bool is_at_once = peers.server_facts.has_pipelining && !to_server.is_auth &&
                      to_server.login > 0 && !to_server.is_confirmed;

    if (to_server.at < peers.to_server.length || is_header_due() || is_at_once)
        return; /* inside a line, or a segment */
    settle_replies();
    CHECK(!to_server.has_quit);
    CHECK(to_server.replies == to_server.commands + 1);
    CHECK(to_server.replied_at == peers.from_server.length);
    CHECK(peers.read_from_server == peers.from_server.length);
    CHECK(to_server.is_relaying || to_server.is_last_ok || to_server.is_last_challenge ||
          to_server.is_question);
    to_server.is_question = false;
}

/* What the client wrote is the whole of it, or (a server or a proxy user split off) a part. */
static void check_credential(const struct line *line, const char *sent, size_t length)
{
    const char *argument = line->text + 5;
    size_t argument_length = line->length - 5;

    if (toupper((unsigned char)line->text[0]) == 'U') {
        while (argument_length > 0 && *argument == ' ')
            argument++, argument_length--;
        while (argument_length > 0 && argument[argument_length - 1] == ' ')
            argument_length--;
    }
    CHECK(length > 0);
    if (peers.selects_server || peers.has_acp)
        CHECK(memmem(argument, argument_length, sent, length) != NULL);
    else
        CHECK(length == argument_length && memcmp(argument, sent, length) == 0);
}

/* USER: the client has sent both. */
static void check_user(const char *text, size_t length)
{
    struct line line;

    CHECK(next_for_server(&to_server.client, &line) != NULL || to_server.client.is_opaque);
    CHECK(!peers.has_auth_plain && length > 5 && memcmp(text, "USER ", 5) == 0);
    for (size_t i = 0; i < length; i++)
        CHECK((uint8_t)text[i] >= 0x20 && text[i] != 0x7f);
    if (to_server.client.is_opaque)
        return;
    CHECK(reference_command(text, length, COMMAND_STATE_AUTH) != NULL);
    check_credential(&to_server.client.user, text + 5, length - 5);
}

/* The line that the client has sent as its PASS. */
static bool find_password(struct line *line)
{
    struct reader again = {.state = COMMAND_STATE_AUTH};
    bool is_found = next_for_server(&again, line) != NULL;

    CHECK(is_found || again.is_opaque);
    return is_found;
}

static void check_password(const char *text, size_t length)
{
    struct line line;

    CHECK(length > 5 && memcmp(text, "PASS ", 5) == 0);
    CHECK(reference_command(text, length, COMMAND_STATE_AUTH) != NULL);
    if (find_password(&line))
        check_credential(&line, text + 5, length - 5);
}

/* SASL data: base64 in one line. Of PLAIN that the client has sent as USER and PASS, these. */
static void check_sasl_data(const char *text, size_t length)
{
    char data[SASL_DATA_MAX];
    struct line password;
    size_t decoded;
    size_t user;

    CHECK(sasl_base64_decode(text, length, data, sizeof(data), &decoded) == SASL_OK);
    to_server.has_data = true;
    if (to_server.client.is_opaque || !find_password(&password))
        return;
    CHECK(decoded > 3 && data[0] == '\0');
    user = strnlen(data + 1, decoded - 1);
    CHECK(user + 2 < decoded && memchr(data + user + 2, '\0', decoded - user - 2) == NULL);
    check_credential(&to_server.client.user, data + 1, user);
    check_credential(&password, data + user + 2, decoded - user - 2);
}

static void check_auth(const char *text, size_t length)
{
    const char *blank = memchr(text + 5, ' ', length - 5);
    size_t width = blank == NULL ? length - 5 : (size_t)(blank - text) - 5;
    char mechanism[16] = "";
    struct line line;

    CHECK(next_for_server(&to_server.client, &line) != NULL || to_server.client.is_opaque);
    CHECK(length + 2 <= 255 && width < sizeof(mechanism));
    memcpy(mechanism, text + 5, width);
    CHECK(sasl_mechanism_find(mechanism) != SASL_MECHANISM_NONE);
    CHECK(to_server.client.is_opaque || strcmp(mechanism, "PLAIN") == 0);
    if (blank != NULL)
        check_sasl_data(blank + 1, length - width - 6);
}

/* An empty line and one octet answer the reason of a refusal. */
static void check_answer(const char *text, size_t length)
{
    bool is_prompt = peers.from_server.data[to_server.replied_at - 3] == ' ' ||
                     peers.from_server.data[to_server.replied_at - 3] == '+';

    if (is_prompt && length > 0 && !(length == 4 && memcmp(text, "AQ==", 4) == 0))
        check_sasl_data(text, length);
    else
        CHECK(length == 0 || (length == 4 && memcmp(text, "AQ==", 4) == 0));
}

static bool is_stls_due(void)
{
    return peers.server_tls == PEERS_SERVER_TLS_STLS && to_server.commands == 0;
}

/* From the greeting, which counts only if it did not come in the clear before TLS. */
static void check_xclient(const char *text, size_t length)
{
    const struct octets *from = &peers.from_server;
    const char *end = memchr(from->data, '\n', from->length);
    bool is_stls = peers.server_tls == PEERS_SERVER_TLS_STLS;
    bool is_offered = memmem(from->data, (size_t)(end - from->data), "[XCLIENT", 8) != NULL;

    CHECK(peers.sends_xclient && to_server.before == is_stls);
    CHECK(is_offered || is_stls);
    to_server.is_question = !is_offered;
    CHECK(memmem(text, length, " PORT=", 6) != NULL &&
          memmem(text, length, " SESSION=", 9) != NULL);
}

/* One line before the relay. False: it begins with this one. */
static bool check_before_relay(const char *text, size_t length)
{
    CHECK(peers.server_tls == PEERS_SERVER_TLS_NO || peers.is_server_tls || is_stls_due());
    if (is_stls_due()) {
        CHECK(length == 4 && memcmp(text, "STLS", 4) == 0);
        to_server.before++;
    } else if (to_server.login == 0 && length > 13 && memcmp(text, "XCLIENT ADDR=", 13) == 0) {
        check_xclient(text, length);
        to_server.before++;
    } else if (to_server.login == 0 && length > 5 && memcmp(text, "AUTH ", 5) == 0) {
        check_auth(text, length);
        to_server.is_auth = true;
        to_server.login++;
    } else if (to_server.login == 0) {
        check_user(text, length);
        to_server.login++;
    } else if (to_server.is_auth ? to_server.is_last_challenge : to_server.login == 1) {
        if (to_server.is_auth)
            check_answer(text, length);
        else
            check_password(text, length);
        to_server.login++;
    } else if (peers.server_facts.has_capa && !to_server.is_confirmed) {
        CHECK(length == 4 && memcmp(text, "CAPA", 4) == 0);
        to_server.is_confirmed = to_server.is_multi_line = true;
    } else {
        return false;
    }
    return true;
}

/* The server gets the words of the client, each after one blank. */
static bool is_same_words(const char *sent, size_t sent_length, const char *line, size_t length)
{
    for (; sent_length > 0; sent++, sent_length--, line++, length--) {
        if (length == 0 || *sent != *line)
            return false;
        while (*line == ' ' && length > 1 && line[1] == ' ')
            line++, length--;
    }
    while (length > 0 && *line == ' ')
        line++, length--;
    return length == 0;
}

static void check_command(const char *text, size_t length)
{
    struct line line;
    const struct reference_command *shape = next_for_server(&to_server.client, &line);
    const struct reference_command *sent = reference_command(text, length, COMMAND_STATE_TRANS);
    size_t keyword = strcspn(shape != NULL ? shape->text : "", " ~");

    CHECK(sent != NULL);
    to_server.is_multi_line = sent->is_multi_line;
    to_server.has_quit = sent->verb == COMMAND_QUIT;
    if (to_server.client.is_opaque)
        return;
    CHECK(shape != NULL && shape == sent);
    CHECK(memcmp(text, shape->text, keyword) == 0);
    CHECK(is_same_words(text + keyword, length - keyword, line.text + keyword,
                        line.length - keyword));
}

/* The first that a server gets. */
static void check_header(const char *data, size_t length)
{
    struct proxy_header header;
    enum proxy_header_result result =
        proxy_header_parse(&header, PROXY_HEADER_ACCEPT_EITHER, data, length);

    if (result == PROXY_HEADER_MORE)
        return;
    CHECK(result == PROXY_HEADER_COMPLETE && header.length == length);
    CHECK(header.version == peers.sends_header);
    to_server.at += length;
    to_server.has_header = true;
}

static void check_line(const char *text, size_t length)
{
    if (to_server.is_relaying || !check_before_relay(text, length)) {
        to_server.is_relaying = true;
        check_command(text, length);
    }
    to_server.commands++;
}

void peers_after_server_write(void)
{
    const char *text = peers.to_server.data + to_server.at;
    const char *end = peers.to_server.data + peers.to_server.length;
    const char *newline;

    if (is_header_due()) {
        check_header(text, (size_t)(end - text));
        return;
    }
    while (text < end && (newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        CHECK(newline > text && newline[-1] == '\r');
        to_server.at += (size_t)(newline - text) + 1;
        check_line(text, (size_t)(newline - text) - 1);
        text = newline + 1;
        CHECK(text == end || (peers.server_facts.has_pipelining && !to_server.is_confirmed));
    }
}

/* ---- what the client got, at the end ---- */

static struct got {
    size_t at;
    bool is_cut; /* the session's words end in the middle of this */
    bool has_last_word;
} got;

static size_t got_left(void)
{
    return peers.to_client.length - got.at;
}

/* These octets come next, or only the first of them and then nothing, now and later. */
static bool take(const char *text, size_t length)
{
    size_t left = got_left();

    if (got.is_cut)
        return true;
    if (memcmp(peers.to_client.data + got.at, text, left < length ? left : length) != 0)
        return false;
    got.is_cut = left < length;
    got.at += got.is_cut ? left : length;
    return true;
}

static bool take_text(const char *text)
{
    return take(text, strlen(text));
}

static bool take_line(const char *start, const char *text)
{
    char line[REPLY_LINE_BYTES + 8];

    return take(line, (size_t)snprintf(line, sizeof(line), "%s%s\r\n", start, text));
}

/* A status line with its control octets replaced. */
static bool take_status(const struct reply *reply)
{
    char line[REPLY_LINE_BYTES];

    memcpy(line, reply->line, reply->status_length);
    for (size_t i = 0; i + 2 < reply->status_length; i++)
        if ((uint8_t)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    return take(line, reply->status_length);
}

/* The words with which the server has closed: the end of what it sent, which is one line. */
static bool take_goodbye(void)
{
    const struct octets *from = &peers.from_server;
    char line[SERVER_WORDS_SIZE] = "";
    size_t end = from->length;
    size_t begin;

    while (end > 0 && (from->data[end - 1] == '\n' || from->data[end - 1] == '\r'))
        end--;
    for (begin = end; begin > 0 && from->data[begin - 1] != '\n'; begin--)
        continue;
    for (size_t i = 0; begin + i < end && i + 1 < sizeof(line) && from->data[begin + i] != '\r';
         i++)
        line[i] = reply_clean_octet(from->data[begin + i]);
    return strncmp(line, "-ERR", 4) == 0 && got_left() == strlen(line) + 2 && take_line(line, "");
}

/* Nothing more follows, or one last word that the outcome explains. */
static bool is_finished(enum outcome outcome, bool may_speak)
{
    const char *reply = outcome_reply(outcome);

    if (got.is_cut || got_left() == 0)
        return true;
    if (may_speak && outcome == OUTCOME_SERVER_CLOSED && take_goodbye())
        return got.has_last_word = true;
    if (!may_speak || reply == NULL || got_left() > strlen(reply) + 2)
        return false;
    got.has_last_word = take_line(reply, "");
    return got.has_last_word;
}

/* Our own refusal of a command. */
static void take_refusal(void)
{
    const char *start = peers.to_client.data + got.at;
    const char *end = got_left() > 0 ? memchr(start, '\n', got_left()) : NULL;
    size_t length = end == NULL ? got_left() : (size_t)(end - start) + 1;

    CHECK(take_text("-ERR ") && (end == NULL || end[-1] == '\r'));
    for (size_t i = 0; i + 2 < length; i++)
        CHECK(start[i] >= 0x20 && start[i] <= 0x7e);
    if (!got.is_cut)
        got.at += length - 5;
    got.is_cut = end == NULL;
}

static bool has_capability(const char *word, bool is_in)
{
    bool is_clear = peers.tls == PEERS_TLS_STLS || peers.tls == PEERS_TLS_REQUIRED;

    if (strcmp(word, "STLS") == 0)
        return is_clear && !is_in;
    if (strncmp(word, "SASL", 4) == 0)
        return peers.tls == PEERS_TLS_IMPLICIT;
    return peers.tls != PEERS_TLS_REQUIRED ||
           strcmp(word, "USER") != 0;
}

/* is_in: after the login. */
static void take_own_capabilities(bool is_in)
{
    static const char *const words[] = {"TOP",
                                        "USER",
                                        "SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER",
                                        "STLS",
                                        "UIDL",
                                        "RESP-CODES",
                                        "AUTH-RESP-CODE",
                                        "PIPELINING"};

    CHECK(take_text("+OK capabilities follow\r\n"));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !got.is_cut; i++)
        if (has_capability(words[i], is_in))
            CHECK(take_line(words[i], ""));
}

/* The reference for what may pass of the server's list. */
static bool may_pass(const char *line, size_t length)
{
    static const char *const words[] = {"EXPIRE", "LOGIN-DELAY", "IMPLEMENTATION"};

    for (size_t i = 0; i < length; i++)
        if (line[i] < 0x20 || line[i] > 0x7e)
            return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t width = strlen(words[i]);
        if (length >= width && strncasecmp(line, words[i], width) == 0 &&
            (length == width || line[width] == ' '))
            return true;
    }
    return false;
}

/* True when the list was passed to its end. */
static bool take_list(const struct reply *reply)
{
    const char *at = reply->line + reply->status_length;
    const char *end = reply->line + reply->length;

    while (reply->is_ok && at < end && !got.is_cut) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL || newline == at || newline[-1] != '\r')
            return false;
        if (newline - at == 2 && at[0] == '.')
            break;
        if (may_pass(at, (size_t)(newline - at) - 1))
            CHECK(take(at, (size_t)(newline - at) + 1));
        at = newline + 1;
    }
    return reply->is_complete;
}

/* The lines before the login. Returns true when a login was tried. */
static bool check_before_login(struct reader *reader, enum outcome outcome)
{
    struct line line;

    if (!find_begin(reader))
        CHECK(is_finished(outcome, true));
    if (is_finished(outcome, true))
        return false;
    CHECK(take_text("+OK POP3 ready\r\n"));
    while (!is_finished(outcome, true)) {
        const struct reference_command *shape;

        CHECK(next_line(reader, &line));
        shape = judge(reader, &line);
        if (reader->is_opaque)
            return false;
        if (shape == NULL)
            take_refusal();
        else if (shape->verb == COMMAND_PASS)
            return true;
        else if (shape->verb == COMMAND_CAPA) {
            take_own_capabilities(false);
            CHECK(take_text(".\r\n"));
        } else {
            CHECK(
                take_text(shape->verb == COMMAND_USER ? "+OK password please\r\n" : "+OK bye\r\n"));
        }
    }
    return false;
}

static bool has_acp_refused(void)
{
    return strncmp(peers.acp_text, "-ERR", 4) == 0 || strstr(peers.acp_text, "\n-ERR") != NULL;
}

static void take_acp_text(void)
{
    size_t length = strlen(peers.acp_text);

    for (size_t i = 0; i < length; i++)
        if (peers.acp_text[i] == '\n')
            CHECK(take_text("\r\n"));
        else if (peers.acp_text[i] != '\r')
            CHECK(take(peers.acp_text[i] == '\033' ? "?" : &peers.acp_text[i], 1));
    if (length > 0 && peers.acp_text[length - 1] != '\n')
        CHECK(take_text("\r\n"));
}

/* The list that confirms the login. Returns its length. */
static size_t check_proof(size_t at)
{
    struct reply reply = read_reply(at, true);
    const char *line = reply.line + reply.status_length;
    const char *end = reply.line + reply.length;

    CHECK(reply.is_ok && reply.is_complete);
    for (; line < end; line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1)
        CHECK(*line != '+' && *line != '-');
    return reply.length;
}

/* The words after a response code, cut so that the line with its CRLF is no longer than it may be. */
static bool take_coded(const char *code, const char *text)
{
    char line[REPLY_LINE_BYTES];
    int room = REPLY_LINE_BYTES - 2 - (int)strlen(code);

    snprintf(line, sizeof(line), "%s%.*s", code, room, text);
    return take_line(line, "");
}

/* The server's words with the response code that they get, or without one. */
static bool take_words(const struct reply *reply, enum outcome outcome)
{
    bool is_unavailable = outcome == OUTCOME_LOGIN_UNAVAILABLE;
    char text[REPLY_LINE_BYTES] = "";
    size_t at = 4;

    while (at + 2 < reply->status_length && reply->line[at] == ' ')
        at++;
    for (size_t i = 0; at + i + 2 < reply->status_length; i++)
        text[i] = reply_clean_octet(reply->line[at + i]);
    if (!is_unavailable)
        return take_line("-ERR ", text);
    return take_coded("-ERR [IN-USE] ", text) || take_coded("-ERR [SYS/TEMP] ", text);
}

/* The answer to PASS. True when it is a login; *server_at_r is then after the server's reply. */
static bool check_login(enum outcome outcome, size_t *server_at_r)
{
    struct reply reply = {0};
    size_t at = 0;

    if (is_finished(outcome, true))
        return false;
    if (peers.has_acp)
        take_acp_text();
    if (peers.has_acp && has_acp_refused() && peers.access != PEERS_ACCESS_GRANTED) {
        CHECK(is_finished(outcome, false));
        return false;
    }
    if (is_finished(outcome, true))
        return false;
    if (take_text("-ERR [AUTH] user name and password are too long\r\n")) {
        CHECK(outcome == OUTCOME_LOGIN_REFUSED && peers.has_auth_plain && to_server.login == 0);
        return false;
    }
    for (unsigned i = 0; i < to_server.before + to_server.login + 1; i++) {
        bool is_auth = to_server.is_auth && i > to_server.before;

        if (!is_auth || !read_challenge(at, &reply))
            reply = read_reply(at, false);
        CHECK(reply.is_complete);
        at += reply.length;
        /* A server may refuse an XCLIENT that it has not offered, and the login goes on. */
        if (!reply.is_ok && !reply.is_challenge && i > to_server.before)
            break;
    }
    *server_at_r = at;
    if (reply.is_ok && peers.server_facts.has_capa)
        *server_at_r += check_proof(at);
    if (reply.is_ok && (to_server.is_auth ? to_server.has_data : to_server.login >= 2)) {
        CHECK(take_status(&reply));
        return true;
    }
    CHECK(outcome == OUTCOME_LOGIN_REFUSED || outcome == OUTCOME_LOGIN_UNAVAILABLE);
    CHECK(!reply.is_ok);
    if (take_text("-ERR [AUTH] bad login\r\n"))
        CHECK(outcome == OUTCOME_LOGIN_REFUSED || got.is_cut);
    else if (reference_has_code(reply.line, reply.status_length))
        CHECK(take_status(&reply));
    else
        CHECK(to_server.has_data || to_server.login >= 2 ? take_words(&reply, outcome) : false);
    CHECK(is_finished(outcome, false));
    return false;
}

/* A command that we have refused came after LF.CRLF. What the client got shows where. */
static struct reply find_refused_after(size_t at, const struct reply *reply)
{
    const char *body = reply->line + reply->status_length;
    const char *out = peers.to_client.data + got.at + reply->status_length;
    size_t left = got_left() > reply->status_length ? got_left() - reply->status_length : 0;
    size_t length = reply->length - reply->status_length;
    size_t same = 0;

    while (same < left && same < length && body[same] == out[same])
        same++;
    if (same == left || (same == length && reply->is_complete))
        return *reply;
    while (same >= 4 && memcmp(body + same - 4, "\n.\r\n", 4) != 0)
        same--;
    note_loose_end(at, at + reply->status_length + same);
    return read_reply(at, true);
}

static void check_reply(const struct reference_command *shape, const struct reply *reply)
{
    CHECK(reply->has_status);
    if (shape->verb == COMMAND_CAPA) {
        take_own_capabilities(true);
        CHECK(take_list(reply) && take_text(".\r\n"));
        return;
    }
    CHECK(take_status(reply));
    if (reply->is_ok && shape->is_multi_line && !got.is_cut)
        CHECK(take(reply->line + reply->status_length, reply->length - reply->status_length));
    CHECK(reply->is_complete || is_finished(OUTCOME_NONE, false));
}

static void check_after_login(struct reader *reader, enum outcome outcome, size_t server_at)
{
    for (;;) {
        struct reader here = *reader;
        const struct reference_command *shape;
        struct reply reply;
        struct line line;
        bool is_owed = next_line(reader, &line);

        if (is_finished(outcome, is_owed)) {
            *reader = here;
            return;
        }
        CHECK(is_owed);
        shape = judge(reader, &line);
        if (shape == NULL) {
            take_refusal();
            continue;
        }
        reply = read_reply(server_at, shape->is_multi_line);
        if (reply.is_ok && shape->is_multi_line && shape->verb != COMMAND_CAPA)
            reply = find_refused_after(server_at, &reply);
        check_reply(shape, &reply);
        server_at += reply.length;
    }
}

static void check_dialogue(const struct session *session, enum outcome outcome)
{
    struct reader reader = {.state = COMMAND_STATE_AUTH};
    struct line line;
    size_t server_at = 0;
    bool is_tried = check_before_login(&reader, outcome);
    bool is_in = is_tried && check_login(outcome, &server_at);

    if (reader.is_opaque)
        return;
    if (is_in)
        check_after_login(&reader, outcome, server_at);
    CHECK(got.is_cut || got_left() == 0);
    if (!peers.is_client_well)
        return;
    CHECK(outcome != OUTCOME_CLIENT_LOST && outcome != OUTCOME_CLIENT_STALLED);
    if (outcome == OUTCOME_QUIT)
        CHECK(is_in && !got.is_cut && reader.is_over);
    if (outcome == OUTCOME_CLIENT_CLOSED)
        CHECK(!got.is_cut && !next_line(&reader, &line));
    if (session->stage != SESSION_STAGE_RELAY && outcome_reply(outcome) != NULL &&
        !(session->stage == SESSION_STAGE_OPEN && peers.tls == PEERS_TLS_IMPLICIT) &&
        !(peers.has_acp && has_acp_refused()))
        CHECK(got.has_last_word);
}

/* ---- what is left in memory ---- */

static bool has_secret(const char *data, size_t length)
{
    return length > 0 && memmem(data, length, PEERS_SECRET, strlen(PEERS_SECRET)) != NULL;
}

/* Only the client's input up to the login is secret, and only if it is not repeated later. */
static bool is_secret_kept(void)
{
    struct reader reader = {.state = COMMAND_STATE_AUTH};
    struct line line;

    (void)next_for_server(&reader, &line);
    if (reader.is_opaque)
        return false;
    if (reader.state == COMMAND_STATE_AUTH)
        reader.at = peers.from_client.length;
    return !has_secret(peers.from_client.data + reader.at, peers.from_client.length - reader.at) &&
           !has_secret(peers.from_server.data, peers.from_server.length) &&
           !has_secret(reader.user.text, reader.user.length);
}

/* Returns whether nothing of the login may be left in memory. */
static bool check_secrets(const struct session *session)
{
    bool is_kept = is_secret_kept();

    CHECK(!is_kept || !has_secret((const char *)session, sizeof(*session)));
    CHECK(!is_kept || !has_secret(peers.to_client.data, peers.to_client.length));
    return is_kept;
}

/* Searches the blocks of the pool, and clears them for the next script. */
static void check_pool(bool is_kept, unsigned sessions)
{
    struct buffer buffers[POOL_BLOCKS * LANES] = {0};
    unsigned count = POOL_BLOCKS * sessions;
    size_t room;

    for (unsigned i = 0; i < count; i++) {
        const char *block = buffer_room(&buffers[i], BUFFER_BLOCK_BYTES, &room);
        CHECK(room == BUFFER_BLOCK_BYTES && (!is_kept || !has_secret(block, room)));
        buffers[i].is_secret = true;
        buffer_added(&buffers[i], room);
    }
    for (unsigned i = 0; i < count; i++)
        buffer_clear(&buffers[i]);
}

/* ---- what is noted of each session ---- */

static struct noted {
    struct to_server to_server;
    struct got got;
    struct loose_ends loose_ends;
} noted[LANES];

void peers_reset(void)
{
    to_server = (struct to_server){.client.state = COMMAND_STATE_AUTH};
    got = (struct got){0};
    loose_ends.count = 0;
}

void peers_save(unsigned lane)
{
    noted[lane].to_server = to_server;
    noted[lane].got = got;
    noted[lane].loose_ends = loose_ends;
}

void peers_load(unsigned lane)
{
    to_server = noted[lane].to_server;
    got = noted[lane].got;
    loose_ends = noted[lane].loose_ends;
}

/* ---- the entry ---- */

static void set(struct conf_section *section, enum conf_key key, const char *value)
{
    struct error error;

    CHECK(conf_set(section, key, value, "fuzz", &error) == 0);
}

static void set_variant(struct conf_section *section)
{
    static const char *const tls[] = {"no", "stls", "required", "implicit"};
    static const char *const server_tls[] = {"no", "stls", "implicit"};
    static const char *const versions[] = {"no", "v1", "v2"};

    set(section, CONF_KEY_tls, tls[peers.tls]);
    if (peers.tls != PEERS_TLS_NO)
        set(section, CONF_KEY_tls_certificate, "/certificate");
    set(section, CONF_KEY_server_tls, server_tls[peers.server_tls]);
    set(section, CONF_KEY_server_auth, peers.has_auth_plain ? "plain" : "userpass");
    set(section, CONF_KEY_send_proxy_protocol, versions[peers.sends_header]);
    set(section, CONF_KEY_send_xclient, peers.sends_xclient ? "yes" : "no");
    if (!peers.takes_header)
        return;
    set(section, CONF_KEY_proxy_protocol, "yes");
    set(section, CONF_KEY_proxy_protocol_from, "192.0.2.0/24");
}

/* Made once for all scripts with the same settings. */
static const struct conf_instance *instance(void)
{
    static struct conf_instance *instances[2][2][2][256];
    bool is_implicit = peers.server_tls == PEERS_SERVER_TLS_IMPLICIT;
    struct conf_instance **made =
        &instances[peers.selects_server][peers.has_acp][is_implicit][peers.variant];
    struct conf_section section;
    struct error error;

    if (*made != NULL)
        return *made;
    *made = calloc(1, sizeof(**made));
    CHECK(*made != NULL);
    conf_section_init(&section, "fuzz", "fuzz");
    set(&section, CONF_KEY_server, "192.0.2.9");
    if (peers.selects_server)
        set(&section, CONF_KEY_select_server, "yes");
    if (peers.has_acp)
        set(&section, CONF_KEY_acp, "/acp");
    set(&section, CONF_KEY_client_log, "/clients");
    set_variant(&section);
    CHECK(conf_instance_init(*made, &section, &error) == 0);
    return *made;
}

/* Returns like check_secrets(). */
static bool check_session(const struct session *session)
{
    enum outcome outcome = peers.outcome;

    CHECK(outcome != OUTCOME_NONE && outcome != OUTCOME_INTERNAL);
    CHECK(outcome != OUTCOME_STOPPED || peers.was_stopped);
    CHECK(peers.sessions_logged == 1);
    CHECK(to_server.at == peers.to_server.length || outcome != OUTCOME_QUIT);
    CHECK(session->stage == SESSION_STAGE_RELAY ||
          peers.ended_ms <= session->login_deadline_ms + 1000);
    CHECK(session->started_ms <= peers.ended_ms);
    check_dialogue(session, outcome);
    return check_secrets(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_kept = true;
    unsigned sessions;

    if (size < 3)
        return 0;
    sessions = peers_run(instance, data, size);
    for (unsigned i = 0; i < sessions; i++)
        if (lanes_use(i))
            is_kept &= check_session(peers.session);
    check_pool(is_kept, sessions);
    return 0;
}
