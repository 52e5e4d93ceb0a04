/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A few tasks share the list of users: each takes the next one, reads both mailboxes, and goes on.
 * So a server that hangs holds up one task and not the others. People read of a user as soon as he
 * is done; JSON keeps the order of the file. Where the machine cannot run tasks,
 * there is one after another.
 */
#include "compare/compare.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/complain.h"
#include "base/number.h"
#include "compare/compare_options.h"
#include "compare/compare_report.h"
#include "compare/compare_users.h"
#include "io/scheduler.h"

enum {
    DESCRIPTORS_OF_JOB = 2 + COMPARE_ADDRESSES_MAX, /* while it connects */
    DESCRIPTORS_OF_OTHERS = 64,
    BAR_COLUMNS = 30,
    BAR_EVERY_MS = 100,
};

/* The one run of this process: tasks have no argument. */
static struct {
    struct compare_options options;
    struct compare_server old, new;
    struct compare_users users;
    struct compare_finding *findings; /* one for each user */
    struct compare_report report;
    size_t next;     /* the user who is compared next */
    size_t done;     /* users who have been */
    size_t reported; /* in JSON: the users before this one are in the report */
    bool has_bar;
    int64_t bar_at_ms;
} run;

/* ---- how far it has come ---- */

static void draw_bar(bool is_now)
{
    size_t filled = BAR_COLUMNS * run.done / run.users.count;

    if (!run.has_bar || (!is_now && clock_now_ms() < run.bar_at_ms))
        return;
    run.bar_at_ms = clock_after_ms(BAR_EVERY_MS);
    fprintf(stderr, "\r[%.*s%.*s] %zu of %zu user%s", (int)filled, "##############################",
            (int)(BAR_COLUMNS - filled), "..............................", run.done, run.users.count,
            number_plural(run.users.count));
}

/* Before a line of the report, which may go to the same terminal, and at the end. */
static void clear_bar(void)
{
    if (run.has_bar)
        fputs("\r\033[K", stderr);
}

/* ---- one user ---- */

static void keep_side(struct compare_side *side, const struct compare_mailbox *mailbox)
{
    side->failure = mailbox->failure;
    side->count = mailbox->count;
    side->octets = mailbox->octets;
    if (mailbox->text[0] != '\0')
        side->text = strdup(mailbox->text);
}

static void compare_user(size_t index)
{
    const struct compare_login *login = &run.users.list[index];
    struct compare_finding *finding = &run.findings[index];
    bool with_hashes = run.options.with_hashes;
    struct compare_mailbox old, new;

    compare_mailbox_read(&old, &run.old, login, with_hashes);
    compare_mailbox_read(&new, &run.new, login, with_hashes);
    compare_users_forget(&run.users, index);
    if (old.failure == COMPARE_GOOD && new.failure == COMPARE_GOOD &&
        !compare_result_find(&finding->result, &old, &new, with_hashes))
        new.failure = COMPARE_FAILURE_MEMORY;
    keep_side(&finding->old, &old);
    keep_side(&finding->new, &new);
    compare_mailbox_free(&old);
    compare_mailbox_free(&new);
    finding->is_done = true;
}

static void report(size_t index)
{
    struct compare_finding *finding = &run.findings[index];

    clear_bar();
    compare_report_user(&run.report, run.users.list[index].user, finding);
    free(finding->old.text);
    free(finding->new.text);
}

static void report_done(size_t index)
{
    if (!run.options.as_json)
        report(index);
    while (run.options.as_json && run.reported < run.users.count &&
           run.findings[run.reported].is_done)
        report(run.reported++);
    fflush(stdout);
}

static void compare_next(void)
{
    size_t index = run.next++;

    compare_user(index);
    run.done++;
    report_done(index);
    draw_bar(run.done == run.users.count);
}

/* ---- side by side ---- */

static void run_task(struct task *task)
{
    (void)task;
    while (run.next < run.users.count)
        compare_next();
}

static bool is_over(void)
{
    return scheduler_tasks() == 0;
}

static int compare_all(void)
{
    size_t jobs = run.options.jobs < run.users.count ? run.options.jobs : run.users.count;

    if (!coroutine_is_supported()) {
        while (run.next < run.users.count)
            compare_next();
        return 0;
    }
    if (scheduler_open(DESCRIPTORS_OF_OTHERS + jobs * DESCRIPTORS_OF_JOB) == -1)
        return -1;
    for (size_t i = 0; i < jobs; i++)
        if (task_new(sizeof(struct task), run_task) == NULL)
            return -1;
    scheduler_run(is_over);
    return 0;
}

/* ---- what is needed before ---- */

static int find_addresses(struct compare_server *server, struct error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int code = getaddrinfo(server->name.host, NULL, &hints, &found);

    if (code != 0)
        return error_set(error, "%s: %s", server->name.host, gai_strerror(code));
    for (struct addrinfo *a = found; a != NULL && server->address_count < COMPARE_ADDRESSES_MAX;
         a = a->ai_next) {
        struct address *to = &server->addresses[server->address_count++];

        memcpy(&to->storage, a->ai_addr, a->ai_addrlen);
        to->length = a->ai_addrlen;
        address_set_port(to, server->name.port);
    }
    freeaddrinfo(found);
    return 0;
}

static int prepare_server(struct compare_server *server, const struct host_port *name,
                          enum compare_tls tls, struct error *error)
{
    const struct tls_servers_settings settings = {.ca = run.options.ca,
                                                  .verify = !run.options.is_unverified};

    *server = (struct compare_server){
        .name = *name, .tls = tls, .timeout_ms = run.options.timeout_ms};
    if (tls != COMPARE_TLS_NO) {
        server->context = tls_context_for_servers(&settings, error);
        if (server->context == NULL)
            return -1;
    }
    return find_addresses(server, error);
}

static int prepare(struct error *error)
{
    if (prepare_server(&run.old, &run.options.old, run.options.old_tls, error) == -1 ||
        prepare_server(&run.new, &run.options.new, run.options.new_tls, error) == -1 ||
        compare_users_read(&run.users, run.options.users, error) == -1)
        return -1;
    run.findings = calloc(run.users.count, sizeof(*run.findings));
    return run.findings == NULL ? error_set(error, "out of memory") : 0;
}

static int report_all(struct error *error)
{
    char old_name[HOST_PORT_TEXT_SIZE], new_name[HOST_PORT_TEXT_SIZE];

    run.has_bar = isatty(STDERR_FILENO) == 1;
    run.report = (struct compare_report){
        .out = stdout,
        .as_json = run.options.as_json,
        .old_name = host_port_text(run.old.name.host, run.old.name.port, old_name),
        .new_name = host_port_text(run.new.name.host, run.new.name.port, new_name),
    };
    compare_report_begin(&run.report);
    draw_bar(true);
    if (compare_all() == -1)
        return error_set(error, "cannot compare side by side: %s", strerror(errno));
    clear_bar();
    compare_report_end(&run.report);
    return 0;
}

static void finish(void)
{
    free(run.findings);
    compare_users_free(&run.users);
    tls_context_free(run.old.context);
    tls_context_free(run.new.context);
}

int compare_run(int argc, char *const argv[])
{
    struct error error;
    int code;

    if (compare_options_parse(&run.options, argc, argv, &error) == -1) {
        complain("%s", error.text);
        return COMPARE_EXIT_TROUBLE;
    }
    if (run.options.is_help) {
        compare_options_print_help();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    if (prepare(&error) == -1 || report_all(&error) == -1) {
        complain("%s", error.text);
        code = COMPARE_EXIT_TROUBLE;
    } else {
        code = compare_report_code(&run.report);
    }
    finish();
    return code;
}
