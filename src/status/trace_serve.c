/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace never waits for its reader: what does not fit into its buffer is lost, and the reader is
 * told how many lines that was.
 */
#include "status/trace_serve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/octet.h"
#include "base/utf8.h"
#include "pool/trace_mark.h"

enum { BUFFER_BYTES = 256 * 1024, LINES_AT_ONCE = 256, TRACE_MAX_S = 86400 };

static const char request_word[] = "trace ";

struct trace {
    bool is_used;
    int mark;
    unsigned lost;
    char *out;
    size_t length;
    ev_io to_write;
    ev_io gone; /* the reader sends nothing, so this is its end */
    ev_timer over;
};

static struct {
    struct ev_loop *loop;
    ev_io lines;
    unsigned count;
    struct trace list[TRACE_MARKS_MAX]; /* by mark */
} traces;

/* ---- one trace ---- */

static void end(struct trace *trace)
{
    if (!trace->is_used)
        return;
    ev_io_stop(traces.loop, &trace->to_write);
    ev_io_stop(traces.loop, &trace->gone);
    ev_timer_stop(traces.loop, &trace->over);
    close(trace->gone.fd);
    free(trace->out);
    trace_mark_end(trace->mark);
    trace->is_used = false;
    if (--traces.count == 0)
        ev_io_stop(traces.loop, &traces.lines);
}

static void flush(struct trace *trace)
{
    ssize_t sent = send(trace->gone.fd, trace->out, trace->length, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent == -1 && errno != EAGAIN && errno != EINTR) {
        end(trace);
        return;
    }
    if (sent > 0) {
        trace->length -= (size_t)sent;
        memmove(trace->out, trace->out + sent, trace->length);
    }
    if (trace->length > 0)
        ev_io_start(traces.loop, &trace->to_write);
    else
        ev_io_stop(traces.loop, &trace->to_write);
}

static bool put(struct trace *trace, const char *text, size_t length)
{
    if (BUFFER_BYTES - trace->length < length + 1)
        return false;
    memcpy(trace->out + trace->length, text, length);
    utf8_clean_line(trace->out + trace->length, length);
    trace->length += length;
    trace->out[trace->length++] = '\n';
    return true;
}

static void __attribute__((format(printf, 2, 3)))
put_note(struct trace *trace, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)put(trace, text, strlen(text));
}

static void add(struct trace *trace, const char *text, size_t length)
{
    char report[64];

    if (trace->lost > 0) {
        snprintf(report, sizeof(report), "-- %u line%s %s lost", trace->lost,
                 number_plural(trace->lost), trace->lost == 1 ? "is" : "are");
        if (put(trace, report, strlen(report)))
            trace->lost = 0;
    }
    if (!put(trace, text, length))
        trace->lost++;
}

/* ---- events ---- */

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    flush(watcher->data);
}

static void on_gone(struct ev_loop *loop, ev_io *watcher, int events)
{
    char octet;

    (void)loop;
    (void)events;
    if (recv(watcher->fd, &octet, 1, MSG_DONTWAIT) == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    end(watcher->data);
}

static void on_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct trace *trace = timer->data;

    (void)loop;
    (void)events;
    put_note(trace, TRACE_OVER_LINE);
    flush(trace);
    end(trace);
}

static void on_lines(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct trace_message message;
    int length;

    (void)loop;
    (void)watcher;
    (void)events;
    for (int i = 0; i < LINES_AT_ONCE && (length = trace_receive(&message)) != -1; i++)
        for (int mark = 0; mark < TRACE_MARKS_MAX; mark++)
            if ((message.marks >> mark & 1) != 0 && traces.list[mark].is_used)
                add(&traces.list[mark], message.text, (size_t)length);
    for (int mark = 0; mark < TRACE_MARKS_MAX; mark++)
        if (traces.list[mark].is_used && traces.list[mark].length > 0)
            flush(&traces.list[mark]);
}

/* ---- requests ---- */

bool trace_serve_is_request(const char *request)
{
    return strncmp(request, request_word, strlen(request_word)) == 0;
}

/* An address has one form, as sessions have it. */
static uint64_t hash_of(const char *name)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address address;

    if (address_from_literal(&address, name, 0) == -1)
        return hash_text_nocase(name);
    address_unmap(&address);
    return hash_text_nocase(address_host_text(&address, text));
}

static void refuse(int fd, const char *why)
{
    (void)!send(fd, why, strlen(why), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* What earlier traces have left unread is nobody's. */
static void begin_lines(void)
{
    struct trace_message message;

    while (traces.count == 0 && trace_receive(&message) != -1)
        continue;
    if (traces.count++ > 0)
        return;
    ev_io_init(&traces.lines, on_lines, trace_read_descriptor(), EV_READ);
    ev_io_start(traces.loop, &traces.lines);
}

static void begin(int fd, const char *name, long seconds)
{
    int mark = trace_mark_set(hash_of(name));
    struct trace *trace = mark == -1 ? NULL : &traces.list[mark];

    if (trace == NULL) {
        refuse(fd, "error: too many traces; end another one\n");
        return;
    }
    *trace = (struct trace){.is_used = true, .mark = mark, .out = malloc(BUFFER_BYTES)};
    begin_lines();
    ev_io_init(&trace->to_write, on_writable, fd, EV_WRITE);
    ev_io_init(&trace->gone, on_gone, fd, EV_READ);
    ev_timer_init(&trace->over, on_over, (double)seconds, 0.0);
    trace->to_write.data = trace->gone.data = trace->over.data = trace;
    if (trace->out == NULL) {
        end(trace);
        return;
    }
    ev_io_start(traces.loop, &trace->gone);
    ev_timer_start(traces.loop, &trace->over);
    put_note(trace, "-- tracing %s for %ld s", name, seconds);
    flush(trace);
}

void trace_serve_begin(struct ev_loop *loop, int fd, const char *request)
{
    const char *text = request + strlen(request_word);
    char *name;
    long seconds = strtol(text, &name, 10);

    traces.loop = loop;
    if (!octet_is_digit(text[0]) || seconds < 1 || seconds > TRACE_MAX_S || *name != ' ' ||
        name[1] == '\0')
        refuse(fd, "error: malformed request; expected \"trace SECONDS NAME\"\n");
    else
        begin(fd, name + 1, seconds);
}

void trace_serve_end_all(const char *why)
{
    for (int mark = 0; mark < TRACE_MARKS_MAX; mark++) {
        struct trace *trace = &traces.list[mark];

        if (!trace->is_used)
            continue;
        put_note(trace, "-- this trace ends: %s", why);
        flush(trace);
        end(trace);
    }
}
