/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing as a job of the helper.
 */
#include "helper/route_job.h"

#include <stdlib.h>
#include <string.h>

#include "config/conf_route.h"
#include "helper/helper.h"
#include "helper/job.h"
#include "helper/resolver.h"

static struct {
    const struct conf_instance *conf;
    struct router_settings settings;
    struct router *router; /* NULL: the instance has no tables */
} own;

/* ---- for tables whose server has a name ---- */

struct name_question {
    route_resolved *resolved;
    void *who;
};

static void pass_address(void *context, const struct helper_addresses *addresses)
{
    struct name_question question = *(struct name_question *)context;

    free(context);
    question.resolved(question.who,
                      addresses == NULL || addresses->count == 0 ? NULL : &addresses->list[0]);
}

void route_job_resolve(const void *context, const char *host, route_resolved *resolved,
                       void *who)
{
    struct name_question *question = malloc(sizeof(*question));

    (void)context;
    if (question == NULL) {
        resolved(who, NULL);
        return;
    }
    *question = (struct name_question){.resolved = resolved, .who = who};
    resolver_call("", host, pass_address, question);
}

/* ---- the answer ---- */

static void send_addresses(void *context, const struct helper_addresses *addresses)
{
    struct job *job = context;

    if (addresses != NULL)
        (void)job_answer(job, MESSAGE_ADDRESSES, addresses, sizeof(*addresses));
    job_end(job);
}

/* The host that the session will connect to; NULL: none, or a literal. */
static const char *host_to_resolve(const struct route_answer *answer)
{
    const char *host = answer->fields[ROUTE_FIELD_HOST];
    struct address literal;

    if (answer->result != ROUTE_FOUND && answer->result != ROUTE_NOT_FOUND)
        return NULL;
    if (answer->fields[ROUTE_FIELD_GROUP] != NULL)
        return NULL;
    if (host == NULL && own.conf->has_server)
        host = own.conf->server.host;
    return host == NULL || address_from_literal(&literal, host, 0) == 0 ? NULL : host;
}

static void put_result(struct message *message, const struct router_result *result)
{
    const struct route_answer *answer = result->answer;

    message_put_number(message, (int64_t)answer->result);
    message_put_number(message, result->is_stale);
    message_put(message, result->table);
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++)
        message_put_marked(message, answer->fields[i]);
}

static void on_found(void *context, const struct router_result *result)
{
    struct job *job = context;
    const char *host = host_to_resolve(result->answer);
    char memory[HELPER_ROUTED_BYTES];
    enum message_kind kind = host != NULL ? MESSAGE_ROUTED_PART : MESSAGE_ROUTED;
    struct message message;

    message_begin(&message, memory, sizeof(memory), kind);
    put_result(&message, result);
    if (message.is_bad ||
        job_answer(job, kind, memory + MESSAGE_HEAD_BYTES, message.length - MESSAGE_HEAD_BYTES) !=
            IO_OK) {
        job_end(job); /* the session takes it for a failure */
    } else if (host != NULL) {
        resolver_call(job->session, host, send_addresses, job);
    } else {
        job_end(job);
    }
    explicit_bzero(memory, message.length);
}

/* ---- the request ---- */

int route_job_init(struct ev_loop *loop, const struct conf_instance *conf,
                   struct route_counts *const *counts)
{
    own.conf = conf;
    own.settings = conf_route_settings(conf);
    own.settings.environment.resolve = route_job_resolve;
    own.settings.counts = counts;
    if (own.settings.tables == NULL)
        return 0;
    own.router = router_new(loop, &own.settings);
    return own.router == NULL ? -1 : 0;
}

void route_job_end(void)
{
    router_free(own.router);
    own.router = NULL;
}

void route_job_start(struct job *job)
{
    struct message *message = &job->request;
    struct router_request request = {.attempt = 1};

    request.session = job->session;
    request.parts.login = message_get(message);
    request.password = message_get(message);
    request.parts.client = message_get(message);
    request.parts.client_port = message_get(message);
    request.parts.local = message_get(message);
    request.parts.local_port = message_get(message);
    request.is_tls = message_get_number(message) != 0;
    request.parts.delimiters = own.conf->values->delimiters;
    if (own.router == NULL || !message_is_done(message)) {
        job_end(job);
        return;
    }
    if (request.password[0] == '\0')
        request.password = NULL;
    /* A search cannot be called off: it counts as running until the tables answer. */
    job_take(job, NULL, job_release);
    router_ask(own.router, &request, on_found, job);
}
