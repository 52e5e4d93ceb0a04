/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line begins with the time, the session, and who speaks to whom.
 */
#include "session/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/local_time.h"
#include "base/number.h"
#include "base/utf8.h"
#include "pop3/sasl.h"

enum { LINE_BYTES = 900, TEXT_BYTES = 700 };

static const char *way_text(enum trace_way way)
{
    switch (way) {
    case TRACE_FROM_CLIENT:
        return "client > ";
    case TRACE_TO_CLIENT:
        return "client < ";
    case TRACE_TO_SERVER:
        return "server > ";
    case TRACE_FROM_SERVER:
        return "server < ";
    case TRACE_NOTE:
        break;
    }
    return "-- ";
}

static size_t put_head(char *line, const struct session *session, enum trace_way way)
{
    struct timespec now;
    struct local_time local;

    clock_gettime(CLOCK_REALTIME, &now);
    local = local_time_at(now.tv_sec);
    return (size_t)snprintf(line, LINE_BYTES, "%02d:%02d:%02d.%03d %s %s", local.hour, local.minute,
                            local.second, (int)(now.tv_nsec / 1000000), session->id,
                            way_text(way));
}

static size_t put_escaped(char *line, size_t at, const char *text, size_t length)
{
    size_t taken;

    for (size_t i = 0; i < length && at + 5 < LINE_BYTES; i += taken) {
        bool is_visible = utf8_is_visible(utf8_decode(text + i, length - i, &taken));

        if (!is_visible)
            taken = 1;
        if (is_visible)
            memcpy(line + at, text + i, taken);
        else
            snprintf(line + at, 5, "\\x%02x", (unsigned char)text[i]);
        at += is_visible ? taken : 4;
    }
    return at;
}

/* Lines that were lost are told of before the next one that arrives. */
static void send_line(struct session *session, const char *line, size_t length)
{
    const struct session_watch *watch = session->start->watch;
    char report[LINE_BYTES];

    if (session->trace_lost > 0) {
        size_t at = put_head(report, session, TRACE_NOTE);

        at += (size_t)snprintf(report + at, LINE_BYTES - at, "%u line%s of this session %s lost",
                               session->trace_lost, number_plural(session->trace_lost),
                               session->trace_lost == 1 ? "is" : "are");
        if (watch->tell(watch->context, session->trace_marks, report, at))
            session->trace_lost = 0;
    }
    if (!watch->tell(watch->context, session->trace_marks, line, length))
        session->trace_lost++;
}

static void tell(struct session *session, enum trace_way way, const char *text, size_t length)
{
    char line[LINE_BYTES];
    size_t at = put_head(line, session, way);
    int error = errno; /* whether a session is traced changes nothing for it */

    send_line(session, line, put_escaped(line, at, text, length));
    errno = error;
}

void trace_text(struct session *session, enum trace_way way, const char *text)
{
    if (trace_is_on(session))
        tell(session, way, text, strlen(text));
}

void trace_note(struct session *session, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;

    if (!trace_is_on(session))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    tell(session, TRACE_NOTE, text, strlen(text));
}

/* ---- when it begins ---- */

/* Until the session is connected, the server is only the one that it would get without tables. */
static void tell_beginning(struct session *session)
{
    bool has_server = session->server_address.sa.sa_family != AF_UNSPEC;
    char client[ADDRESS_TEXT_SIZE];
    char server[SESSION_SERVER_SIZE];

    trace_note(session, "client %s, user %s, server %s",
               address_host_text(&session->client_address, client),
               session->user[0] == '\0' ? "not known yet" : session->user,
               has_server ? session_server_text(session, server) : "not chosen yet");
}

void trace_check(struct session *session)
{
    const struct session_watch *watch = session->start->watch;
    bool was_on = trace_is_on(session);

    if (watch == NULL || watch->traced_by == NULL)
        return;
    session->trace_marks = watch->traced_by(watch->context, session);
    if (trace_is_on(session) && !was_on)
        tell_beginning(session);
}

/* ---- lines ---- */

void trace_reply(struct session *session, enum trace_way way, const char *line, size_t length)
{
    char text[TEXT_BYTES];

    if (!trace_is_on(session))
        return;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    snprintf(text, sizeof(text), "%.*s", (int)length, line);
    if (text[0] == '+' && (text[1] == ' ' || text[1] == '\0'))
        snprintf(text, sizeof(text), "+ " TRACE_HIDDEN);
    else if (secret_is_in(&session->secrets, text))
        snprintf(text, sizeof(text), "%s " TRACE_HIDDEN, line[0] == '+' ? "+OK" : "-ERR");
    tell(session, way, text, strlen(text));
}

/* The mechanism is told only if it is one: anything may stand there. */
static const char *mechanism_name(const char *word, size_t length)
{
    char name[32];
    const struct sasl_mechanism_info *info;

    snprintf(name, sizeof(name), "%.*s", (int)length, word);
    info = sasl_mechanism_info(sasl_mechanism_find(name));
    return info == NULL ? TRACE_HIDDEN : info->name;
}

static void put_command(char text[TEXT_BYTES], const struct command *command)
{
    const char *argument = command->argument == NULL ? "" : command->argument;

    if (command->argument == NULL)
        snprintf(text, TEXT_BYTES, "%s", command->name);
    else if (command->verb == COMMAND_PASS)
        snprintf(text, TEXT_BYTES, "PASS " TRACE_HIDDEN);
    else if (command->verb == COMMAND_AUTH)
        snprintf(text, TEXT_BYTES, "AUTH %s%s", mechanism_name(argument, command->argument_length),
                 command->second == NULL ? "" : " " TRACE_HIDDEN);
    else
        snprintf(text, TEXT_BYTES, "%s %.*s%s%.*s", command->name, (int)command->argument_length,
                 argument, command->second == NULL ? "" : " ", (int)command->second_length,
                 command->second == NULL ? "" : command->second);
}

void trace_client_command(struct session *session, const struct command *command,
                          enum command_fault fault)
{
    char text[TEXT_BYTES];

    if (!trace_is_on(session))
        return;
    if (fault == COMMAND_GOOD)
        put_command(text, command);
    else
        snprintf(text, sizeof(text), "%s " TRACE_HIDDEN " (%s)", command->name,
                 command_fault_word(fault));
    trace_text(session, TRACE_FROM_CLIENT, text);
}

void trace_server_command(struct session *session, const struct command *command)
{
    char text[TEXT_BYTES];

    if (!trace_is_on(session))
        return;
    put_command(text, command);
    trace_text(session, TRACE_TO_SERVER, text);
}

/* Only these commands may be told with their arguments. */
static bool is_open(const char *keyword)
{
    static const char *const words[] = {"USER", "CAPA", "STLS", "XCLIENT"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], keyword) == 0)
            return true;
    return false;
}

void trace_server_words(struct session *session, const char *const *words)
{
    bool is_auth = strcmp(words[0], "AUTH") == 0;
    char text[TEXT_BYTES];
    size_t at = 0;

    if (!trace_is_on(session))
        return;
    if (!is_auth && !is_open(words[0])) {
        trace_text(session, TRACE_TO_SERVER,
                   strcmp(words[0], "PASS") == 0 ? "PASS " TRACE_HIDDEN : TRACE_HIDDEN);
        return;
    }
    for (size_t i = 0; words[i] != NULL && at < sizeof(text); i++) {
        const char *word = words[i];

        if (is_auth && i > 0)
            word = i == 1 ? mechanism_name(word, strlen(word)) : TRACE_HIDDEN;
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i == 0 ? "" : " ", word);
    }
    trace_text(session, TRACE_TO_SERVER, text);
}
