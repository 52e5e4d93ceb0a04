/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where lines go, and how: each line is given to the kernel in one call that does not block. What a
 * line says is put together in log_line.c.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/local_time.h"
#include "base/log_form.h"
#include "base/log_recent.h"
#include "base/number.h"
#include "base/process.h"
#include "base/shared.h"

enum {
    FACILITY_MAIL = 2,
    SYSLOG_RECONNECT_MS = 1000,
    SYSLOG_PATIENCE_MS = 10,    /* for a daemon that is a few lines late */
    SYSLOG_IMPATIENT_MS = 1000, /* after it was waited for in vain, do not wait again for so long */
    TARGET_BYTES = 256,
    STAMP_BYTES = 64,
    STAMP_MS_AT = sizeof("2026-11-28T20:15:30.") - 1,
    TORN = 0x6e726f74, /* no number that damaged memory is likely to hold */
};

static const char program[] = "pop3.proxy";
static const char dev_log[] = "/dev/log";
static const char journal_dev_log[] = "/run/systemd/journal/dev-log"; /* a link leads there */
static const char journal_socket[] = "/run/systemd/journal/socket";

/* Where lines go. The master opens it; workers share these pages. */
static struct {
    char target[TARGET_BYTES];
    char syslog_path[TARGET_BYTES];
    int descriptor;
    enum log_format format;
    bool is_syslog;       /* lines are for the syslog daemon, or the journal */
    bool is_journal;      /* which gets them by its own protocol */
    bool stands_in;       /* standard error takes them until the daemon listens */
    bool may_block;       /* the descriptor is not non-blocking: poll it before each write */
    int flags;            /* of the descriptor when it was opened: O_NONBLOCK, O_APPEND */
    pid_t guarded;        /* this process has called log_guard() */
    atomic_uint *torn;    /* of all processes: TORN if a line was written in part; NULL: not known */
} log_state = {.descriptor = -1};

/* What changes from line to line. */
static struct {
    int64_t reconnect_at_ms;
    int64_t patient_from_ms;
    char stamp[STAMP_BYTES]; /* of stamp_time */
    time_t stamp_time;
    pid_t stamp_pid;
    bool is_syslog_stamp;
    uint64_t lost;
    _Atomic uint64_t *lost_counter;
} own PROCESS_OWN;

/* ---- where lines go ---- */

static int open_syslog(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1)
        return -1;
    memcpy(to.sun_path, path, strnlen(path, sizeof(to.sun_path) - 1));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Other processes share the open file description of standard error, so its flags must not change:
 * open the same file again, non-blocking. A socket cannot be opened like this; it is polled before
 * each write. */
static int open_stderr(bool *may_block_r)
{
    int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    *may_block_r = fd == -1;
    return fd == -1 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) : fd;
}

static int open_file(const char *path, struct error *error)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    int fd = open(path, file_may_be_link(path) ? flags : flags | O_NOFOLLOW, 0640);

    if (fd == -1)
        error_set(error, "cannot open the log file %s: %s", path,
                  errno == ELOOP ? FILE_LINK_MEND : strerror(errno));
    return fd;
}

/* systemd names the stream that it has made for our standard error. */
static bool is_stderr_of_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat status;

    if (stream == NULL || fstat(STDERR_FILENO, &status) == -1)
        return false;
    snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, ours) == 0;
}

static bool is_dev_log_of_journal(void)
{
    char path[PATH_MAX];

    return realpath(dev_log, path) != NULL && strcmp(path, journal_dev_log) == 0;
}

/* The socket for a log that goes to syslog, or to the standard error of a service. */
static const char *daemon_path(bool is_stderr, bool *is_journal_r)
{
    const char *journal = getenv("POP3_PROXY_JOURNAL");
    const char *path = getenv("POP3_PROXY_SYSLOG");

    *is_journal_r = journal != NULL || (path == NULL && (is_stderr || is_dev_log_of_journal()));
    if (*is_journal_r)
        return journal != NULL ? journal : journal_socket;
    return path != NULL ? path : dev_log;
}

static int open_target(const char *target, bool *may_block_r, struct error *error)
{
    *may_block_r = false;
    if (strcmp(target, "syslog") == 0)
        return open_syslog(log_state.syslog_path);
    if (strcmp(target, "stderr") == 0)
        return open_stderr(may_block_r);

    return open_file(target, error);
}

static bool ends_in_part(int fd, off_t size)
{
    char path[32];
    char last = '\n';
    int readable;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    readable = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (readable == -1)
        return false;
    (void)!pread(readable, &last, 1, size - 1);
    close(readable);
    return last != '\n';
}

/* Says whether a line was torn, and sets whether one is now. A broken process can write the word. */
static bool set_torn(bool is_torn)
{
    unsigned word = is_torn ? TORN : 0;

    return log_state.torn != NULL && atomic_load(log_state.torn) != word &&
           atomic_exchange(log_state.torn, word) == TORN;
}

/* A disk that was full, or a crash of the machine, leaves a part of a line at the end of the file.
 * Any process that shares the file may be the next to write. */
static void find_torn_line(void)
{
    struct stat file;

    if (log_state.torn == NULL)
        log_state.torn = shared_new(sizeof(*log_state.torn));
    (void)set_torn(log_state.descriptor != -1 && fstat(log_state.descriptor, &file) == 0 &&
                   S_ISREG(file.st_mode) && file.st_size > 0 &&
                   ends_in_part(log_state.descriptor, file.st_size));
}

int log_find_daemon(struct error *error)
{
    bool is_journal;
    const char *path = daemon_path(false, &is_journal);
    int fd = open_syslog(path);

    if (fd == -1)
        return error_set(error, "no syslog daemon listens at %s", path);
    close(fd);
    return 0;
}

void log_set_format(enum log_format format)
{
    log_state.format = format;
}

int log_open(const char *target, struct error *error)
{
    bool is_stderr = strcmp(target, "stderr") == 0 && is_stderr_of_journal();
    bool is_syslog = strcmp(target, "syslog") == 0 || is_stderr;
    bool may_block, is_journal;

    local_time_prepare();
    if (strlen(target) >= sizeof(log_state.target))
        return error_set(error, "the path of the log file is too long: %s", target);
    snprintf(log_state.syslog_path, sizeof(log_state.syslog_path), "%s",
             daemon_path(is_stderr, &is_journal));

    int fd = open_target(is_syslog ? "syslog" : target, &may_block, error);
    if (fd == -1 && !is_syslog)
        return -1;
    if (log_state.descriptor != -1)
        close(log_state.descriptor);
    if (log_state.target != target)
        snprintf(log_state.target, sizeof(log_state.target), "%s", target);
    log_state.descriptor = fd;
    log_state.is_syslog = is_syslog;
    log_state.is_journal = is_syslog && is_journal;
    log_state.stands_in = false;
    log_state.may_block = may_block;
    log_state.flags = fcntl(log_state.descriptor, F_GETFL) & (O_NONBLOCK | O_APPEND);
    find_torn_line();
    own.reconnect_at_ms = 0;
    return 0;
}

void log_guard(void)
{
    log_state.guarded = process_id();
}

void log_in_handler(void)
{
    local_time_hold();
}

bool log_is_syslog(void)
{
    return log_state.is_syslog;
}

bool log_is_heard(void)
{
    return log_state.descriptor != -1;
}

bool log_use_stderr(void)
{
    struct stat file, null;
    int fd;

    if (fstat(STDERR_FILENO, &file) == -1 ||
        (stat("/dev/null", &null) == 0 && file.st_rdev == null.st_rdev && S_ISCHR(file.st_mode)))
        return false;
    fd = open_stderr(&log_state.may_block);
    if (fd == -1)
        return false;
    log_state.descriptor = fd;
    log_state.stands_in = true;
    log_state.flags = fcntl(log_state.descriptor, F_GETFL) & (O_NONBLOCK | O_APPEND);
    find_torn_line();
    return true;
}

int log_reopen(struct error *error)
{
    bool stood_in = log_state.stands_in;

    if (log_open(log_state.target, error) == -1)
        return -1;
    if (stood_in && !log_is_heard())
        (void)log_use_stderr();
    return 0;
}

void log_count_lost_in(_Atomic uint64_t *counter)
{
    own.lost_counter = counter;
}

int log_descriptor(void)
{
    return log_state.descriptor;
}

/* ---- a line with one text ---- */

static void write_message(enum log_level level, enum event event, const char *format,
                          va_list arguments)
{
    struct log_line line;
    char text[ERROR_TEXT_SIZE];

    vsnprintf(text, sizeof(text), format, arguments);
    log_begin(&line, event);
    line.level = level;
    log_add_text(&line, "text", text);
    log_end(&line);
}

void log_message(enum event event, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_message(event_level(event), event, format, arguments);
    va_end(arguments);
}

void log_message_at(enum log_level level, enum event event, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_message(level, event, format, arguments);
    va_end(arguments);
}

/* ---- handing it to the kernel ---- */

static bool is_for_syslog(void)
{
    return log_state.is_syslog && !log_state.stands_in;
}

static size_t put_text(char *to, const char *text)
{
    size_t length = strlen(text);

    memcpy(to, text, length);
    return length;
}

/* printf() is not used: a handler of a signal may write a line, too. */
static size_t put_two(char *to, int value, char after)
{
    to[0] = (char)('0' + value / 10 % 10);
    to[1] = (char)('0' + value % 10);
    to[2] = after;
    return 3;
}

static size_t put_time(char *to, const struct local_time *local, char after)
{
    size_t length = put_two(to, local->hour, ':');

    length += put_two(to + length, local->minute, ':');
    return length + put_two(to + length, local->second, after);
}

static size_t put_program(char *to)
{
    size_t length = put_text(to, program);

    to[length++] = '[';
    length += number_put(to + length, (uint64_t)process_id());
    return length + put_text(to + length, "]: ");
}

/* Time, program and process as RFC 3164 says. */
static size_t put_syslog_stamp(char *to, const struct local_time *local)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    size_t length = 3;

    memcpy(to, months + 3 * (local->month - 1), length);
    to[length++] = ' ';
    length += put_two(to + length, local->day, ' ');
    if (local->day < 10)
        to[length - 3] = ' ';
    length += put_time(to + length, local, ' ');
    return length + put_program(to + length);
}

/* The time of RFC 3339, with room for the milliseconds, and a blank. */
static size_t put_file_stamp(char *to, const struct local_time *local)
{
    int minutes = local->ahead_s < 0 ? -local->ahead_s / 60 : local->ahead_s / 60;
    size_t length = put_two(to, local->year / 100, '-') - 1;

    length += put_two(to + length, local->year % 100, '-');
    length += put_two(to + length, local->month, '-');
    length += put_two(to + length, local->day, 'T');
    length += put_time(to + length, local, '.');
    length += put_text(to + length, "000");
    to[length++] = local->ahead_s < 0 ? '-' : '+';
    length += put_two(to + length, minutes / 60, ':');
    return length + put_two(to + length, minutes % 60, ' ');
}

/* Made once a second, as it costs more than the rest of a line. */
static void format_stamp(char *to, time_t now)
{
    struct local_time local = local_time_at(now);
    size_t length = is_for_syslog() ? put_syslog_stamp(to, &local) : put_file_stamp(to, &local);

    to[length] = '\0';
}

static char *stamp(time_t now)
{
    pid_t pid = process_id();

    if (now != own.stamp_time || pid != own.stamp_pid || is_for_syslog() != own.is_syslog_stamp) {
        format_stamp(own.stamp, now);
        own.stamp_time = now;
        own.stamp_pid = pid;
        own.is_syslog_stamp = is_for_syslog();
    }
    return own.stamp;
}

static size_t put_priority(char *to, unsigned priority)
{
    size_t length = 1 + number_put(to + 1, priority);

    to[0] = '<';
    to[length] = '>';
    return length + 1;
}

/* The time of RFC 3339, with a blank at its end. */
static char *file_stamp(const struct timespec *now)
{
    unsigned ms = (unsigned)(now->tv_nsec / 1000000);
    char *text = stamp(now->tv_sec);

    text[STAMP_MS_AT] = (char)('0' + ms / 100);
    text[STAMP_MS_AT + 1] = (char)('0' + ms / 10 % 10);
    text[STAMP_MS_AT + 2] = (char)('0' + ms % 10);
    return text;
}

/* In a file: time, severity, program and process. */
static size_t put_file_prefix(char *to, enum log_level level, const struct timespec *now)
{
    size_t length = put_text(to, file_stamp(now));

    length += put_text(to + length, log_level_word(level));
    to[length++] = ' ';
    return length + put_program(to + length);
}

/* What comes before event=. For syslog, <PRI> comes first. A JSON object has its own time, but the
 * syslog daemon wants its header. */
static size_t put_prefix(char *to, enum log_level level)
{
    struct timespec now;
    size_t length;

    clock_gettime(CLOCK_REALTIME, &now);
    if (!is_for_syslog())
        return log_state.format == LOG_FORMAT_JSON ? 0 : put_file_prefix(to, level, &now);
    length = put_priority(to, FACILITY_MAIL << 3 | (unsigned)level);
    return length + put_text(to + length, stamp(now.tv_sec));
}

static void reconnect_syslog(void)
{
    int64_t now_ms = clock_now_ms();

    if (now_ms < own.reconnect_at_ms)
        return;
    own.reconnect_at_ms = now_ms + SYSLOG_RECONNECT_MS;
    if (log_state.descriptor != -1)
        close(log_state.descriptor);
    log_state.descriptor = open_syslog(log_state.syslog_path);
}

/* Standard error stands in no longer than it must. */
static void leave_stderr(void)
{
    int64_t now_ms = clock_now_ms();
    int fd;

    if (!log_state.stands_in || now_ms < own.reconnect_at_ms)
        return;
    own.reconnect_at_ms = now_ms + SYSLOG_RECONNECT_MS;
    fd = open_syslog(log_state.syslog_path);
    if (fd == -1)
        return;
    close(log_state.descriptor);
    log_state.descriptor = fd;
    log_state.stands_in = log_state.may_block = false;
}

/* The daemon's queue is full. A burst of lines does this: some queues hold only ten. Wait a moment
 * for the daemon, but where it is stuck do not wait for each line. */
static bool wait_for_syslog(void)
{
    struct pollfd ready = {.fd = log_state.descriptor, .events = POLLOUT};

    if (clock_now_ms() < own.patient_from_ms)
        return false;
    if (poll(&ready, 1, SYSLOG_PATIENCE_MS) == 1)
        return true;
    own.patient_from_ms = clock_now_ms() + SYSLOG_IMPATIENT_MS;
    return false;
}

static bool send_syslog(const char *text, size_t length)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (log_state.descriptor != -1 &&
            send(log_state.descriptor, text, length, MSG_DONTWAIT | MSG_NOSIGNAL) != -1)
            return true;
        if (log_state.descriptor == -1 || (errno != EAGAIN && errno != ENOBUFS))
            reconnect_syslog();
        else if (!wait_for_syslog())
            return false;
    }
    return false;
}

/* Whether write() does not sleep, as far as the descriptor's own flags do not say so. */
static bool has_room(void)
{
    struct pollfd ready = {.fd = log_state.descriptor, .events = POLLOUT};

    return !log_state.may_block || (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0);
}

/* All processes share the flags of the descriptor. One that was taken over can change them, where its
 * system calls are not filtered: the process that is guarded would then sleep, or write over lines. */
static void restore_flags(void)
{
    int flags = fcntl(log_state.descriptor, F_GETFL);

    if (flags != -1 && (flags & log_state.flags) != log_state.flags)
        (void)fcntl(log_state.descriptor, F_SETFL, flags | log_state.flags);
}

static bool write_descriptor(const char *text, size_t length)
{
    ssize_t written;

    if (log_state.descriptor == -1 || !has_room())
        return false;
    if (log_state.guarded == process_id())
        restore_flags();
    written = write(log_state.descriptor, text, length);
    if (written > 0 && written != (ssize_t)length)
        set_torn(true);
    return written == (ssize_t)length;
}

/* ---- what is written of a line ---- */

/* Not on the stack: with many sessions a worker, each has one of its own. */
enum { FORM_BYTES = LOG_FORM_GROWTH * LOG_LINE_BYTES + LOG_FORM_EXTRA_BYTES };
static char json[FORM_BYTES];
static char written[2 * FORM_BYTES];

static size_t put_json(char *to, struct log_form *form)
{
    char time[STAMP_BYTES];
    struct timespec now;

    if (is_for_syslog())
        return log_form_json(to, form);
    clock_gettime(CLOCK_REALTIME, &now);
    time[put_text(time, file_stamp(&now)) - 1] = '\0';
    form->time = time;
    return log_form_json(to, form);
}

/* The message: pairs, or a JSON object. */
static size_t put_message(char *to, const struct log_line *line)
{
    struct log_form form = {.text = line->text,
                            .length = line->length,
                            .numbers = line->numbers,
                            .level = line->level,
                            .pid = process_id()};

    if (log_state.format == LOG_FORMAT_JSON)
        return put_json(to, &form);
    memcpy(to, line->text, line->length);
    return line->length;
}

static bool send_journal(const struct log_line *line)
{
    struct log_form form = {.text = line->text, .length = line->length, .level = line->level};
    size_t length = put_message(json, line);

    return send_syslog(written, log_form_journal(written, &form, FACILITY_MAIL, program, json,
                                                 length));
}

static bool write_line(struct log_line *line)
{
    size_t length = 0;
    bool was_torn;

    leave_stderr();
    if (line->length == sizeof(line->text))
        memcpy(line->text + line->length - 3, "...", 3);
    if (is_for_syslog() && log_state.is_journal)
        return send_journal(line);
    was_torn = !is_for_syslog() && set_torn(false);
    if (was_torn)
        written[length++] = '\n';
    length += put_prefix(written + length, line->level);
    length += put_message(written + length, line);
    if (is_for_syslog())
        return send_syslog(written, length);
    written[length++] = '\n';
    if (write_descriptor(written, length))
        return true;
    if (was_torn)
        (void)set_torn(true);
    return false;
}

static void count_lost(void)
{
    own.lost++;
    if (own.lost_counter != NULL)
        atomic_fetch_add_explicit(own.lost_counter, 1, memory_order_relaxed);
}

/* Reports lost lines. Returns true if there were none, or the report was written. */
static bool report_lost(void)
{
    struct log_line report;

    if (own.lost == 0)
        return true;
    log_begin(&report, EVENT_LOG_LINES_LOST);
    log_add_number(&report, "count", (int64_t)own.lost);
    if (!write_line(&report))
        return false;
    own.lost = 0;
    return true;
}

void log_end(struct log_line *line)
{
    int saved_errno = errno;

    assert(event_may_have(line->event, line->level));
    if (line->level <= LOG_LEVEL_WARNING)
        log_recent_add(line->level, line->text, line->length);
    if (!report_lost() || !write_line(line))
        count_lost();
    errno = saved_errno;
}
