/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process of one session under a superserver: it gives up its privileges, sets its signals,
 * tunes the connection and runs the session.
 */
#include "master/inetd.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/child.h"
#include "base/complain.h"
#include "base/descriptors.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "base/sandbox.h"
#include "config/conf_sandbox.h"
#include "config/conf_warn.h"
#include "helper/helper.h"
#include "io/wait.h"
#include "session/session.h"

/* Not 0 only for a session that the system has ended, not the client or the server. */
static int exit_code(enum outcome outcome)
{
    return outcome_is_our_failure(outcome) ? EX_OSERR : EX_OK;
}

static void on_stop(int number)
{
    (void)number;
    wait_request_stop();
}

static void set_signals(void)
{
    struct sigaction stop = {.sa_handler = on_stop};
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGHUP);
    wait_open_signals(&stops);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGHUP, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* Standard error may be the client's connection, so warnings go to the log. */
static void report_to_log(void *unused, const char *text)
{
    (void)unused;
    log_message_at(LOG_LEVEL_WARNING, EVENT_CONFIGURATION, "%s", text);
}

static void tune_connection(int fd, const struct conf_values *values)
{
    int on = 1;
    int octets = (int)values->socket_buffer;

    /* On a pipe or a terminal both fail, and neither is needed. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (octets > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
}

/* Whether the descriptor is the client's connection, as standard input is. */
static bool is_connection(int fd)
{
    struct stat in;
    struct stat status;

    return fstat(STDIN_FILENO, &in) == 0 && S_ISSOCK(in.st_mode) && fstat(fd, &status) == 0 &&
           file_is_same(&in, &status);
}

void inetd_refuse(const char *why)
{
    static const char reply[] = "-ERR [SYS/PERM] the proxy has a mistake in its settings\r\n";
    struct error error;

    /* A service manager's journal is a socket too. */
    if (!is_connection(STDERR_FILENO))
        complain("%s", why);
    if (!is_connection(STDOUT_FILENO))
        return;
    if (log_open("syslog", &error) == 0)
        log_message(EVENT_CONFIGURATION, "%s", why);
    (void)!send(STDOUT_FILENO, reply, sizeof(reply) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The superserver may have left files of its own open. Nothing else than this is needed from here
 * on. */
static void close_inherited(const struct helper *helper)
{
    int keep[] = {log_descriptor(), log_repeat_descriptor(), helper->request_fd};

    descriptors_close_all_but(keep, sizeof(keep) / sizeof(keep[0]));
}

static int serve(const struct conf_instance *instance, struct helper *helper)
{
    static struct session session;
    struct session_start start = {.conf = instance, .helper = helper};
    struct sandbox_view view;
    struct error error;
    enum outcome outcome;

    close_inherited(helper);
    set_signals();
    tune_connection(STDIN_FILENO, instance->values);
    conf_sandbox_sessions(instance, &view);
    if (sandbox_enter(SANDBOX_SESSION, &view, &error) == -1) {
        inetd_refuse(error.text);
        return EX_OSERR;
    }
    outcome = session_run(&session, &start, STDIN_FILENO, STDOUT_FILENO);
    return exit_code(outcome);
}

/* An access control program may gain rights that this process is about to lose, and in the sandbox
 * nothing can be forked. */
static void start_helper(struct helper *helper, const struct conf_instance *instance)
{
    bool is_confined = sandbox_mode() != SANDBOX_NO || instance->values->acp != NULL;

    if (is_confined && conf_sandbox_needs_helper(instance))
        helper_start(helper);
}

static int run(const struct conf_instance *instance, uid_t uid, gid_t gid)
{
    struct helper helper;
    struct error error;
    int code = EX_OSERR;

    helper_init_on_demand(&helper, instance, uid, gid);
    start_helper(&helper, instance);
    if (child_drop_rights(NULL, uid, gid, &error) == -1) {
        log_message(EVENT_PRIVILEGES, "%s", error.text);
    } else {
        conf_warn_session(instance, uid, gid, report_to_log, NULL);
        code = serve(instance, &helper);
    }
    helper_close(&helper);
    return code;
}

int inetd_run(struct conf_section *section)
{
    struct conf_instance instance;
    struct error error;
    uid_t uid;
    gid_t gid;
    int code;

    /* A user who tries it by hand wants to see the log. */
    if (log_open(isatty(STDERR_FILENO) ? "stderr" : "syslog", &error) == -1 ||
        conf_find_user(section, &uid, &gid, &error) == -1 ||
        conf_instance_init(&instance, section, &error) == -1) {
        inetd_refuse(error.text);
        return EX_USAGE;
    }
    sandbox_use((enum sandbox_mode)instance.values->sandbox, log_is_syslog());
    code = run(&instance, uid, gid);
    conf_instance_free(&instance);
    return code;
}
