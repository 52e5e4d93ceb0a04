/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which questions a name needs, and who waits for the answer. Sessions that ask for a name that is
 * being looked up wait for the same answer, so a thousand sessions for one server cause one query
 * of each family in each TTL.
 *
 * A lookup begins with the hosts file, as /etc/nsswitch.conf says, and goes on with the full names
 * of the search list, one after the other. Both families are asked for the same full name.
 */
#include "helper/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_repeat.h"
#include "helper/lookup.h"
#include "helper/name_cache.h"

enum {
    TTL_MIN_S = 5, /* for /etc/hosts too, and for a name that has no address */
    TTL_MAX_S = 3600,
    STALE_AFTER_MS = 1000,   /* where no new answer has come for so long */
    OTHER_FAMILY_MS = 50,    /* for the second family, from the first one's answer on */
    FAILED_RETRY_MS = 30000, /* a family without an answer is asked again, if the other has one */
};

/* A part of the helper that waits for a lookup. */
struct asker {
    struct asker *next;
    resolver_answered *answer;
    void *context;
};

/* A question that is under way. */
struct inquiry {
    struct name *name;
    int family;
    unsigned round;
};

static struct {
    struct ev_loop *loop;
    unsigned changes; /* of resolv.conf */
    bool is_ending;
} state;

/* ---- what has to be asked ---- */

/* A family that has no address is not asked for again while the other one's answer lasts. */
static bool needs_question(const struct name *name, int i)
{
    const struct family *family = &name->families[i];
    const struct family *other = &name->families[FAMILIES - 1 - i];

    if (family->is_under_way)
        return false;
    if (family_is_fresh(family))
        return family->count == 0 && family->changes != state.changes && !family_has_fresh(other);
    if (!family_has_fresh(other))
        return true;
    return family->has_failed ? clock_now_ms() >= family->failed_ms + FAILED_RETRY_MS
                              : family->count > 0;
}

static bool needs_any(const struct name *name)
{
    return needs_question(name, IPV4) || needs_question(name, IPV6);
}

static bool is_known(const struct name *name, enum helper_extent extent)
{
    if (needs_any(name))
        return false;
    if (!name_has_any(name, family_is_under_way))
        return true;
    return extent == HELPER_SOON && !name->has_begun && name_has_any(name, family_has_usable);
}

/* ---- those that wait ---- */

static void send_to_jobs(struct name *name, struct job_list *list,
                         const struct helper_addresses *addresses)
{
    struct job *job;

    while ((job = list->first) != NULL) {
        job_list_remove(list, job);
        (void)job_answer(job, MESSAGE_ADDRESSES, addresses, sizeof(*addresses));
        if (!job->is_running || !name_has_any(name, family_is_under_way)) {
            job_end(job);
            continue;
        }
        job_release(job);
        job_list_add(&name->counted, job);
    }
}

static void tell_askers(struct name *name, const struct helper_addresses *addresses)
{
    struct asker *asker = name->askers;

    name->askers = NULL;
    while (asker != NULL) {
        struct asker *next = asker->next;
        asker->answer(asker->context, addresses);
        free(asker);
        asker = next;
    }
}

static void answer_soon(struct name *name)
{
    struct helper_addresses addresses;

    ev_timer_stop(state.loop, &name->patience);
    name->has_begun = false;
    name_collect(name, &addresses);
    send_to_jobs(name, &name->jobs, &addresses);
    tell_askers(name, &addresses);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct name *name = timer->data;

    (void)loop;
    (void)events;
    if (name_has_any(name, family_has_usable))
        answer_soon(name);
}

static void wait_at_most(struct name *name, int64_t duration_ms)
{
    ev_timer_stop(state.loop, &name->patience);
    ev_timer_set(&name->patience, (double)duration_ms / 1000.0, 0.0);
    ev_timer_start(state.loop, &name->patience);
}

static void log_failure(const struct name *name, const struct family *family, const char *which)
{
    struct log_line line;
    struct log_line kind;

    log_repeat_begin(&kind, EVENT_RESOLVE_FAILED);
    log_add(&kind, "name", name->host);
    log_add(&kind, "family", which);
    log_add_text(&kind, "error", family->error);
    if (!log_repeat_is_first(&kind))
        return;

    log_begin(&line, EVENT_RESOLVE_FAILED);
    log_add(&line, "session", name->session);
    log_add(&line, "name", name->host);
    if (which != NULL)
        log_add(&line, "family", which);
    log_add_text(&line, "error", family->error);
    if (which == NULL && name_has_any(name, family_has_usable))
        log_add_text(&line, "used", "the last answer");
    log_end(&line);
}

/* A family that fails while the other one has addresses is told once, until it answers again. */
static void complain(struct name *name)
{
    static const char *const names[FAMILIES] = {[IPV4] = "IPv4", [IPV6] = "IPv6"};
    bool is_half = name_has_any(name, family_has_fresh);

    for (int i = 0; i < FAMILIES; i++) {
        struct family *family = &name->families[i];

        if (!family->has_failed || family->error == NULL || (is_half && family->is_complained))
            continue;
        family->is_complained = is_half;
        log_failure(name, family, is_half ? names[i] : NULL);
        if (!is_half)
            break;
    }
}

static void finish(struct name *name)
{
    struct helper_addresses addresses;
    struct job *job;

    complain(name);
    name_collect(name, &addresses);
    send_to_jobs(name, &name->thorough, &addresses);
    while ((job = name->counted.first) != NULL) {
        job_list_remove(&name->counted, job);
        job_end(job);
    }
    answer_soon(name);
}

/* ---- questions and answers ---- */

static bool is_localhost(const struct name *name)
{
    return strcmp(name->host, "localhost") == 0;
}

static bool has_full_name(const struct name *name, char full[LOOKUP_NAME_SIZE])
{
    return lookup_order().is_dns && !is_localhost(name) &&
           lookup_candidate(name->host, name->candidate, full);
}

static void keep_list(struct family *family, int af, const struct lookup_answer *answer)
{
    struct address *list = malloc(answer->count * sizeof(*list));

    family->count = 0;
    free(family->list);
    family->list = list;
    for (size_t i = 0; list != NULL && i < answer->count; i++)
        if (answer->list[i].sa.sa_family == af)
            list[family->count++] = answer->list[i];
}

static int64_t lifetime_ms(const struct lookup_answer *answer)
{
    int64_t ttl_s = answer->status == LOOKUP_FOUND ? answer->ttl_s : 0;

    if (ttl_s < TTL_MIN_S)
        ttl_s = TTL_MIN_S;
    return 1000 * (ttl_s > TTL_MAX_S ? TTL_MAX_S : ttl_s);
}

static void settle(struct name *name, int i, const struct lookup_answer *answer)
{
    struct family *family = &name->families[i];

    family->is_under_way = false;
    family->questions = 0;
    family->has_failed = answer->status == LOOKUP_FAILED;
    family->error = answer->error;
    if (family->has_failed) {
        family->failed_ms = clock_now_ms();
        return;
    }
    family->is_complained = false;
    name->order_expires_ms = 0;
    family->expires_ms = clock_after_ms(lifetime_ms(answer));
    keep_list(family, i == IPV4 ? AF_INET : AF_INET6, answer);
}

/* An answer of name servers that have been replaced counts if it has addresses, or if nothing
 * better can come any more. A failure waits for what the others say. */
static bool is_decisive(const struct family *family, const struct lookup_answer *answer)
{
    return family->questions == 0 || answer->status == LOOKUP_FOUND ||
           (answer->status == LOOKUP_NONE && !answer->is_old);
}

static void advance(struct name *name);

static void on_answer(void *context, const struct lookup_answer *answer)
{
    struct inquiry inquiry = *(struct inquiry *)context;
    struct name *name = inquiry.name;
    struct family *family = &name->families[inquiry.family];

    free(context);
    if (inquiry.round == name->round && family->is_under_way) {
        family->questions--;
        if (is_decisive(family, answer)) {
            settle(name, inquiry.family, answer);
            advance(name);
        }
    }
    name->questions--; /* only now: a part that was answered may forget names */
}

/* For a family that is marked as under way already. */
static void inquire(struct name *name, int i)
{
    static const struct lookup_answer none = {.status = LOOKUP_NONE};
    static const struct lookup_answer no_memory = {.status = LOOKUP_FAILED,
                                                   .error = "out of memory"};
    struct inquiry *inquiry = malloc(sizeof(*inquiry));
    char full[LOOKUP_NAME_SIZE];

    if (inquiry == NULL || !has_full_name(name, full)) {
        settle(name, i, inquiry == NULL ? &no_memory : &none);
        free(inquiry);
        advance(name);
        return;
    }
    *inquiry = (struct inquiry){.name = name, .family = i, .round = name->round};
    name->questions++;
    name->families[i].questions++;
    lookup_ask(full, i == IPV4 ? AF_INET : AF_INET6, on_answer, inquiry);
}

/* Marks families before any is asked: an answer may come at once, and must find the others under
 * way. */
static void ask(struct name *name, const bool is_asked[FAMILIES])
{
    for (int i = 0; i < FAMILIES; i++) {
        name->families[i].is_under_way |= is_asked[i];
        if (is_asked[i])
            name->families[i].changes = state.changes;
    }
    for (int i = 0; i < FAMILIES; i++)
        if (is_asked[i])
            inquire(name, i);
}

static void begin_round(struct name *name, size_t candidate)
{
    name->round++;
    name->candidate = candidate;
    for (int i = 0; i < FAMILIES; i++)
        name->families[i].questions = 0;
}

static bool ask_next_name(struct name *name)
{
    char full[LOOKUP_NAME_SIZE];

    begin_round(name, name->candidate + 1);
    if (!has_full_name(name, full))
        return false;
    ask(name, (const bool[FAMILIES]){true, true});
    return true;
}

static void on_hosts_answer(void *context, const struct lookup_answer *answer)
{
    struct name *name = context;

    for (int i = 0; answer->status == LOOKUP_FOUND && i < FAMILIES; i++)
        settle(name, i, answer);
}

static bool find_in_hosts(struct name *name)
{
    lookup_ask_hosts(name->host, on_hosts_answer, name);
    return name_has_any(name, family_has_fresh);
}

/* Goes on after a family is settled. */
static void advance(struct name *name)
{
    if (name_has_any(name, family_is_under_way)) {
        if (name->has_begun && name_has_any(name, family_has_fresh))
            wait_at_most(name, OTHER_FAMILY_MS);
        return;
    }
    if (!name_has_any(name, family_has_fresh) && !name_has_any(name, family_has_failed)) {
        if (ask_next_name(name))
            return;
        if (lookup_order().is_hosts_last)
            (void)find_in_hosts(name);
    }
    finish(name);
}

static bool is_found_at_once(struct name *name)
{
    if (name_has_any(name, family_is_under_way) || name_has_any(name, family_has_fresh))
        return false;
    begin_round(name, 0);
    return (lookup_order().is_hosts_first || is_localhost(name)) && find_in_hosts(name);
}

static void begin(struct name *name, const char *session)
{
    const bool is_asked[FAMILIES] = {needs_question(name, IPV4), needs_question(name, IPV6)};

    snprintf(name->session, sizeof(name->session), "%s", session);
    name->has_begun = true;
    name->questions++; /* a part that is answered at once must not let go of the name */
    if (is_found_at_once(name)) {
        finish(name);
    } else {
        if (name_has_any(name, family_has_fresh))
            wait_at_most(name, OTHER_FAMILY_MS);
        else if (name_has_any(name, family_has_usable))
            wait_at_most(name, STALE_AFTER_MS);
        ask(name, is_asked);
    }
    name->questions--;
}

/* ---- another resolv.conf ---- */

/* Asks the new name servers what the old ones were asked. */
static void ask_again(struct name *name)
{
    const bool is_asked[FAMILIES] = {
        name->families[IPV4].is_under_way || needs_question(name, IPV4),
        name->families[IPV6].is_under_way || needs_question(name, IPV6),
    };

    if (name->candidate != 0)
        begin_round(name, 0);
    ask(name, is_asked);
}

static bool is_asked_of_old(const struct name *name)
{
    for (int i = 0; i < FAMILIES; i++)
        if (name->families[i].is_under_way && name->families[i].changes != state.changes)
            return true;
    return false;
}

static void follow_conf(void)
{
    unsigned changes = lookup_follow_conf();

    if (changes == state.changes)
        return;
    state.changes = changes;
    name_cache_each(is_asked_of_old, ask_again);
}

/* ---- requests ---- */

/* The session that asks has ended. Where the lookup was begun for it, the job goes on counting as
 * running until the lookup ends: a client cannot have more of them by leaving and coming back. */
static void leave(struct job *job, struct job_list *list)
{
    if (job->is_running) {
        job_release(job);
        return;
    }
    job_list_remove(list, job);
    job_end(job);
}

static void on_soon_gone(struct job *job)
{
    leave(job, &((struct name *)job->owner)->jobs);
}

static void on_thorough_gone(struct job *job)
{
    leave(job, &((struct name *)job->owner)->thorough);
}

static void add_job(struct name *name, struct job *job, enum helper_extent extent)
{
    job_take(job, name, extent == HELPER_SOON ? on_soon_gone : on_thorough_gone);
    job_list_add(extent == HELPER_SOON ? &name->jobs : &name->thorough, job);
}

bool resolver_answer_known(const char *host, enum helper_extent extent, struct channel *channel)
{
    struct helper_addresses addresses;
    struct name *name;

    follow_conf();
    name = name_cache_find(host);
    if (name == NULL || !is_known(name, extent))
        return false;
    name_collect(name, &addresses);
    (void)channel_send(channel, channel->number, MESSAGE_ADDRESSES, &addresses, sizeof(addresses));
    channel_end(channel);
    return true;
}

/* Nothing has to be asked for the session: it can wait for what is under way. */
static bool may_join(const struct name *name, enum helper_extent extent)
{
    return name_has_any(name, family_is_under_way) && !needs_any(name) &&
           (extent == HELPER_ALL || name->has_begun);
}

bool resolver_join(struct job *job, const char *host, enum helper_extent extent)
{
    struct name *name = name_cache_find(host);

    if (name == NULL || !may_join(name, extent))
        return false;
    add_job(name, job, extent);
    return true;
}

void resolver_start(struct job *job)
{
    const char *host = message_get(&job->request);
    enum helper_extent extent =
        message_get_number(&job->request) == HELPER_ALL ? HELPER_ALL : HELPER_SOON;
    struct helper_addresses addresses;
    struct name *name;

    follow_conf();
    if (resolver_join(job, host, extent))
        return;
    name = name_cache_find_or_add(host);
    if (name != NULL && !is_known(name, extent)) {
        add_job(name, job, extent);
        begin(name, job->session);
        return;
    }
    if (name != NULL) {
        name_collect(name, &addresses);
        (void)job_answer(job, MESSAGE_ADDRESSES, &addresses, sizeof(addresses));
    }
    job_end(job);
}

static bool add_asker(struct name *name, resolver_answered *answer, void *context)
{
    struct asker *asker = malloc(sizeof(*asker));

    if (asker == NULL)
        return false;
    *asker = (struct asker){.next = name->askers, .answer = answer, .context = context};
    name->askers = asker;
    return true;
}

void resolver_call(const char *session, const char *host, resolver_answered *answer, void *context)
{
    struct helper_addresses addresses;
    struct name *name;

    if (!state.is_ending)
        follow_conf();
    name = state.is_ending ? NULL : name_cache_find_or_add(host);
    if (name == NULL) {
        answer(context, NULL);
    } else if (is_known(name, HELPER_SOON)) {
        name_collect(name, &addresses);
        answer(context, &addresses);
    } else if (!add_asker(name, answer, context)) {
        answer(context, NULL);
    } else if (!may_join(name, HELPER_SOON)) {
        begin(name, session);
    }
}

/* ---- beginning and end ---- */

int resolver_init(struct ev_loop *loop)
{
    memset(&state, 0, sizeof(state));
    state.loop = loop;
    name_cache_init(loop, on_patience);
    return lookup_init(loop);
}

void resolver_end(void)
{
    state.is_ending = true;
    lookup_end(); /* ends what is under way, with an answer to each session */
    name_cache_forget_unused();
}
