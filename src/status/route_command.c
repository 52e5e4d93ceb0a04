/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does what the stages select and route do for a session, in this process, and prints each step.
 */
#include "status/route_command.h"

#include <ev.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/complain.h"
#include "base/clock.h"
#include "base/number.h"
#include "base/octet.h"
#include "config/conf_group.h"
#include "config/conf_ini.h"
#include "config/conf_route.h"
#include "helper/resolver.h"
#include "helper/route_job.h"
#include "session/session.h"
#include "session/stages.h"
#include "status/control_ask.h"
#include "status/status_view.h"

enum { KEY_SIZE = ROUTE_ANSWER_BYTES };

/* What one instance makes of the login. */
struct inquest {
    const struct options *options;
    const struct conf_instance *conf;
    struct session session; /* never connected: it holds what the stages work on */
    struct ev_loop *loop;
    enum route_result result;
    const char *table; /* that has answered last; its name is the router's */
    bool is_answered;
    bool has_failed;
    char *fields[ROUTE_FIELD_COUNT]; /* copies, freed at the end */
};

/* ---- printing ---- */

static void __attribute__((format(printf, 2, 3)))
say(const char *label, const char *format, ...)
{
    va_list arguments;

    printf("  %-10s ", label);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* Texts of tables come from anywhere. */
static void print_text(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(octet_is_control(*text) ? '?' : *text);
}

static void print_field(enum route_field field, const char *value)
{
    bool is_secret = field == ROUTE_FIELD_PASSWORD;

    printf(" %s", field == ROUTE_FIELD_GROUP ? "group:" : route_field_word(field));
    if (value[0] != '\0' && field != ROUTE_FIELD_GROUP)
        putchar('=');
    print_text(is_secret ? "***" : value);
}

/* ---- the tables ---- */

static void on_table(void *context, const char *table, const char *key,
                     const struct route_answer *answer, const char *why, int64_t duration_us)
{
    struct inquest *inquest = context;

    if (inquest->table == NULL || strcmp(inquest->table, table) != 0)
        say("table", "%s", table);
    inquest->table = table;
    printf("  %-10s %s: %s", "", key, route_result_word(answer->result));
    for (int field = 0; answer->result != ROUTE_NOT_FOUND && field < ROUTE_FIELD_COUNT; field++)
        if (answer->fields[field] != NULL)
            print_field((enum route_field)field, answer->fields[field]);
    if (why[0] != '\0') {
        fputs(": ", stdout);
        print_text(why);
    }
    printf(" (%.3f ms)\n", (double)duration_us / 1e3);
}

static void on_found(void *context, const struct router_result *result)
{
    struct inquest *inquest = context;

    inquest->is_answered = true;
    inquest->result = result->answer->result;
    inquest->has_failed = inquest->result == ROUTE_FAILED;
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++)
        if (result->answer->fields[i] != NULL)
            inquest->fields[i] = strdup(result->answer->fields[i]);
    ev_break(inquest->loop, EVBREAK_ALL);
}

static void search(struct inquest *inquest, struct router *router)
{
    const struct conf_values *values = inquest->conf->values;
    struct router_request request = {
        .parts = {.login = inquest->session.credentials.user,
                  .delimiters = values->delimiters,
                  .client = inquest->options->client == NULL ? "" : inquest->options->client,
                  .client_port = "",
                  .local = "",
                  .local_port = ""},
        .session = "",
        .attempt = 1,
        .is_tls = inquest->options->sni != NULL,
    };

    router_ask(router, &request, on_found, inquest);
    if (!inquest->is_answered)
        ev_run(inquest->loop, 0);
}

/* Returns an exit code. */
static int ask_tables(struct inquest *inquest)
{
    struct router_settings settings = conf_route_settings(inquest->conf);
    struct router *router;

    settings.environment.resolve = route_job_resolve;
    settings.trace = on_table;
    settings.trace_context = inquest;
    router = router_new(inquest->loop, &settings);
    if (router == NULL) {
        complain("out of memory");
        return EX_OSERR;
    }
    search(inquest, router);
    router_free(router);
    return EX_OK;
}

/* ---- the server ---- */

static void on_addresses(void *context, const struct helper_addresses *addresses)
{
    struct inquest *inquest = context;
    char text[ADDRESS_TEXT_SIZE];

    printf("  %-10s", "addresses");
    if (addresses == NULL || addresses->count == 0)
        fputs(" none: the name cannot be resolved", stdout);
    for (size_t i = 0; addresses != NULL && i < addresses->count; i++)
        printf(" %s", address_host_text(&addresses->list[i], text));
    putchar('\n');
    inquest->is_answered = true;
    ev_break(inquest->loop, EVBREAK_ALL);
}

static void show_addresses(struct inquest *inquest, const char *host)
{
    struct address literal;

    if (address_from_literal(&literal, host, 0) == 0)
        return;
    inquest->is_answered = false;
    resolver_call("", host, on_addresses, inquest);
    if (!inquest->is_answered)
        ev_run(inquest->loop, 0);
}

static const char *const *fields_of(const struct inquest *inquest)
{
    return (const char *const *)inquest->fields;
}

static enum conf_server_tls tls_of(const struct inquest *inquest)
{
    return conf_route_tls(fields_of(inquest),
                          (enum conf_server_tls)inquest->conf->values->server_tls);
}

static const char *tls_words(const struct inquest *inquest)
{
    static const char *const words[] = {
        [CONF_SERVER_TLS_NO] = "no",
        [CONF_SERVER_TLS_STLS] = "by STLS",
        [CONF_SERVER_TLS_IMPLICIT] = "from the first octet",
    };

    return words[tls_of(inquest)];
}

static bool takes_any_certificate(const struct inquest *inquest)
{
    return !inquest->conf->values->server_tls_verify ||
           route_answer_takes_any_certificate(fields_of(inquest));
}

static void show_tls(const struct inquest *inquest)
{
    const char *words = tls_words(inquest);
    bool has_tls = strcmp(words, "no") != 0;

    say("TLS", "%s%s", words,
        !has_tls ? "" : takes_any_certificate(inquest) ? ", with any certificate"
                                                       : ", with a certificate that is verified");
}

static void show_login(const struct inquest *inquest)
{
    const char *login = inquest->fields[ROUTE_FIELD_LOGIN];
    const char *master = inquest->fields[ROUTE_FIELD_MASTER];

    say("login", "%s%s%s%s", login != NULL ? login : inquest->session.credentials.user,
        inquest->fields[ROUTE_FIELD_PASSWORD] != NULL ? ", with the password of the table" : "",
        master != NULL ? ", as the master user " : "", master != NULL ? master : "");
}

static void show_limits(const struct conf_values *values)
{
    say("limits",
        "connect_timeout %" PRId64 " s, server_timeout %" PRId64 " s, login_timeout %" PRId64
        " s, timeout %" PRId64 " s",
        values->connect_timeout, values->server_timeout, values->login_timeout, values->timeout);
}

/* ---- a group ---- */

/* The login that the group hashes: what the server gets, in lower case. */
static void make_key(const struct inquest *inquest, char key[KEY_SIZE])
{
    const char *login = inquest->fields[ROUTE_FIELD_LOGIN];

    snprintf(key, KEY_SIZE, "%s", login != NULL ? login : inquest->session.credentials.user);
    for (char *c = key; *c != '\0'; c++)
        *c = octet_lower(*c);
}

static void show_group_server(const struct route_group *group, size_t index, const char *key,
                              bool is_chosen)
{
    const struct route_server *server = &group->servers[index];
    struct server_report report;

    printf("  %-10s %s %s, weight %u", "", is_chosen ? "*" : " ", server->text, server->weight);
    if (group->hash != ROUTE_GROUP_HASH_NONE)
        printf(", score %.1f", route_group_score(server, key, strlen(key)));
    server_state_read(server->state, clock_now_ms(), &report);
    report.is_drained = route_server_is_drained(server);
    if (server->state != NULL)
        printf(", %s, %u session%s", server_state_word(&report), report.sessions,
               number_plural(report.sessions));
    else if (report.is_drained)
        fputs(", drained", stdout);
    putchar('\n');
}

/* Each server with its score, and the chosen one. */
static enum route_choice choose(struct inquest *inquest, const struct route_group *group)
{
    struct route_login asked = {.key = NULL};
    char login[KEY_SIZE];
    const char *key;
    enum route_choice choice;
    size_t chosen = 0;

    make_key(inquest, login);
    key = route_group_key(group, login, inquest->conf->values->delimiters);
    asked.key = key;
    asked.user = route_group_user(group, login);
    choice = route_group_choose(group, &asked, clock_now_ms(), &chosen);
    if (group->hash == ROUTE_GROUP_HASH_NONE)
        say("group", "%s, the server with the fewest sessions", group->name);
    else
        say("group", "%s, hash of %s", group->name, key);
    for (size_t i = 0; i < group->count; i++)
        show_group_server(group, i, key, choice == ROUTE_CHOICE_SERVER && i == chosen);
    if (choice != ROUTE_CHOICE_SERVER)
        return choice;
    inquest->session.server_name = group->servers[chosen].name;
    if (inquest->session.server_name.port == 0)
        inquest->session.server_name.port = conf_port_for(inquest->conf, tls_of(inquest));
    return choice;
}

/* The group that the table names, or that of the default server; NULL: a server alone. */
static const struct route_group *group_of(const struct inquest *inquest)
{
    const char *name = inquest->fields[ROUTE_FIELD_GROUP];
    const struct conf_group *group = NULL;

    if (name != NULL)
        group = conf_group_find(inquest->conf->groups, name);
    else if (inquest->fields[ROUTE_FIELD_HOST] == NULL && !inquest->session.route.is_client_choice)
        group = inquest->conf->group;
    return group == NULL ? NULL : &group->route;
}

/* ---- the choice ---- */

/* Returns whether there is a server; otherwise it says why there is none. */
static bool choose_from(struct inquest *inquest, const struct route_group *group)
{
    switch (choose(inquest, group)) {
    case ROUTE_CHOICE_SERVER:
        return true;
    case ROUTE_CHOICE_DRAINED:
        say("refused", "every server of the group is drained");
        break;
    case ROUTE_CHOICE_FULL:
    case ROUTE_CHOICE_NONE:
        say("refused", "every server of the group that is not drained has max_sessions");
    }
    return false;
}

static void show_server(struct inquest *inquest, const char *why)
{
    const struct route_group *group = group_of(inquest);
    struct host_port *server = &inquest->session.server_name;
    char text[HOST_PORT_TEXT_SIZE];

    if (group != NULL && !choose_from(inquest, group))
        return;
    conf_route_take_server(inquest->conf, fields_of(inquest), server);
    if (server->port == 0) {
        say("refused", "no table names a server for the user, and there is no default server");
        return;
    }
    say("server", "%s (%s)", host_port_text(server->host, server->port, text), why);
    show_addresses(inquest, server->host);
    show_login(inquest);
    show_tls(inquest);
    show_limits(inquest->conf->values);
}

/* ---- one instance ---- */

static void show_answer(struct inquest *inquest)
{
    const char *reason = inquest->fields[ROUTE_FIELD_REASON];

    switch (inquest->result) {
    case ROUTE_FOUND:
        show_server(inquest, "by the table");
        break;
    case ROUTE_NOT_FOUND:
        show_server(inquest, "the default");
        break;
    case ROUTE_REFUSED:
        printf("  %-10s ", "refused");
        print_text(reason == NULL || reason[0] == '\0' ? "without a text" : reason);
        putchar('\n');
        break;
    case ROUTE_FAILED:
    case ROUTE_RESULT_COUNT:
        say("failed", "the login is refused for now; no other table or server stands in");
    }
}

/* Splits the login as select_run() does. Returns false when that refuses it. */
static bool select_server(struct inquest *inquest, const struct session_start *start)
{
    struct session *session = &inquest->session;
    struct credentials *credentials = &session->credentials;
    const char *login = inquest->options->name;
    enum outcome outcome = OUTCOME_INTERNAL;

    *session = (struct session){.start = start, .values = inquest->conf->values};
    credentials->user = credentials_keep(credentials, login, strlen(login));
    credentials->password = credentials_keep(credentials, "-", 1);
    if (credentials->user != NULL && credentials->password != NULL)
        outcome = select_run(session);
    if (outcome == OUTCOME_NONE)
        return true;
    say("refused", "%s", outcome_reason(outcome));
    return false;
}

/* What the client gets to see. */
static void show_certificate(const struct inquest *inquest)
{
    const char *names = tls_context_names(inquest->conf->client_tls, inquest->options->sni);

    if (names == NULL)
        say("client TLS", "none: the instance has no certificate");
    else
        say("client TLS", "%s gets the certificate for %.*s", inquest->options->sni,
            (int)strlen(names) - (names[0] != '\0'), names);
}

static int show_instance(struct inquest *inquest, const struct session_start *start)
{
    const struct conf_values *values = inquest->conf->values;
    int code = EX_OK;

    printf("instance %s, %s\n", inquest->conf->section.name,
           values->listen == NULL ? "-" : values->listen);
    if (inquest->options->sni != NULL)
        show_certificate(inquest);
    if (!select_server(inquest, start))
        return EX_OK;
    if (strcmp(inquest->session.credentials.user, inquest->options->name) != 0)
        say("user", "%s", inquest->session.credentials.user);
    if (inquest->session.route.is_client_choice) {
        show_server(inquest, "the client's choice");
        return EX_OK;
    }
    if (values->route == NULL) {
        show_server(inquest, "the default");
        return EX_OK;
    }
    code = ask_tables(inquest);
    if (code == EX_OK)
        show_answer(inquest);
    return code == EX_OK && inquest->has_failed ? EX_TEMPFAIL : code;
}

static void free_fields(struct inquest *inquest)
{
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++) {
        char *text = inquest->fields[i];

        if (text != NULL)
            explicit_bzero(text, strlen(text));
        free(text);
    }
}

static int run_instance(const struct options *options, const struct conf_instance *conf,
                        struct ev_loop *loop)
{
    struct inquest *inquest = calloc(1, sizeof(*inquest));
    struct session_start start = {.conf = conf};
    int code;

    if (inquest == NULL)
        return EX_OSERR;
    *inquest = (struct inquest){.options = options, .conf = conf, .loop = loop};
    code = show_instance(inquest, &start);
    credentials_wipe(&inquest->session.credentials);
    free_fields(inquest);
    free(inquest);
    return code;
}

/* ---- the command ---- */

static void print_mistake(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
}

/* ---- what a running server knows ---- */

static const struct status_server *find_server(const struct status_view *view, const char *group,
                                               const char *name)
{
    for (size_t i = 0; i < view->server_count; i++)
        if (strcmp(view->servers[i].group, group) == 0 &&
            strcmp(view->servers[i].name, name) == 0)
            return &view->servers[i];
    return NULL;
}

/* A state of this process's own; without memory the server counts as up. */
static struct server_state *make_state(const struct status_server *shown)
{
    struct server_state *state = calloc(1, sizeof(*state));
    int64_t now_ms = clock_now_ms();

    if (state == NULL)
        return NULL;
    state->is_down = shown->report.is_down;
    state->is_drained = shown->report.is_drained;
    state->since_ms = now_ms - shown->report.age_ms;
    state->retried_ms = now_ms; /* a login that tries a server that is down is the exception */
    state->sessions = shown->report.sessions;
    return state;
}

static void take_states(struct conf_groups *groups, const struct status_view *view)
{
    for (size_t i = 0; i < groups->count; i++)
        for (size_t j = 0; j < groups->list[i].route.count; j++) {
            struct route_server *server = &groups->list[i].route.servers[j];
            const struct status_server *shown =
                find_server(view, groups->list[i].section.name, server->text);

            server->state = shown == NULL ? NULL : make_state(shown);
        }
}

static void free_states(struct conf_groups *groups)
{
    for (size_t i = 0; groups != NULL && i < groups->count; i++)
        for (size_t j = 0; j < groups->list[i].route.count; j++) {
            free(groups->list[i].route.servers[j].state);
            groups->list[i].route.servers[j].state = NULL;
        }
}

/* Without a running server, or with one of another version, every server counts as up. */
static void ask_running_server(struct conf *conf)
{
    const char *control = conf->proxy.values.control;
    struct status_view view = {0};
    struct error error;
    char *answer;
    size_t length;
    int code;
    FILE *in;

    if (control == NULL || conf->groups == NULL || conf->groups->count == 0 ||
        control_ask(control, "view", &answer, &length, &code, &error) == -1)
        return;
    in = fmemopen(answer, length, "r");
    if (in != NULL && status_view_read(&view, in) == 0)
        take_states(conf->groups, &view);
    if (in != NULL)
        fclose(in);
    status_view_free(&view);
    free(answer);
}

static int run_all(const struct options *options, const struct conf *conf)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    int code = EX_OK;

    if (loop == NULL || resolver_init(loop) == -1) {
        complain("the resolver cannot be set up");
        if (loop != NULL)
            ev_loop_destroy(loop);
        return EX_OSERR;
    }
    for (size_t i = 0; i < conf->count; i++) {
        int one = run_instance(options, &conf->instances[i], loop);

        code = one != EX_OK ? one : code;
        if (i + 1 < conf->count)
            putchar('\n');
    }
    resolver_end();
    ev_loop_destroy(loop);
    return code;
}

int route_command_run(const struct options *options)
{
    struct conf conf;
    int code;

    if (conf_load(&conf, options->config_file, &options->section, print_mistake, NULL) == -1)
        return EX_CONFIG;
    ask_running_server(&conf);
    code = run_all(options, &conf);
    free_states(conf.groups);
    conf_free(&conf);
    return code;
}
