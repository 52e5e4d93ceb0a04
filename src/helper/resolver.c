/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of names. Sessions that ask for a name that is being looked up wait for the same
 * answer, so a thousand sessions for one server cause one query of each family in each TTL.
 *
 * A lookup begins with the hosts file, as /etc/nsswitch.conf says, and goes on with the full names
 * of the search list, one after the other. Both families are asked for the same full name.
 */
#include "helper/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log_repeat.h"
#include "helper/lookup.h"
#include "helper/name_order.h"

enum {
    BUCKETS = 1024,
    NAMES_MAX = 4096,
    TTL_MIN_S = 5, /* for /etc/hosts too, and for a name that has no address */
    TTL_MAX_S = 3600,
    STALE_MS = 3600 * 1000,  /* addresses serve so long after their TTL */
    STALE_AFTER_MS = 1000,   /* where no new answer has come for so long */
    OTHER_FAMILY_MS = 50,    /* for the second family, from the first one's answer on */
    FAILED_RETRY_MS = 30000, /* a family without an answer is asked again, if the other has one */
};

enum { IPV4, IPV6, FAMILIES };

/* A part of the helper that waits for a lookup. */
struct asker {
    struct asker *next;
    resolver_answered *answer;
    void *context;
};

/* The addresses of one family. All zero: nothing is known. */
struct family {
    bool is_under_way;
    bool has_failed;    /* the last question had no answer; `list` is of an earlier one */
    bool is_complained; /* the log knows */
    unsigned questions; /* of the present round, under way */
    unsigned changes;   /* of resolv.conf, when it was asked for last */
    int64_t expires_ms;
    int64_t failed_ms;
    const char *error;
    size_t count;
    struct address *list;
};

struct name {
    struct name *next;
    struct family families[FAMILIES];
    ev_timer patience;                  /* when it fires, sessions get what is known */
    bool has_begun;                     /* a lookup is under way, and sessions wait for it */
    unsigned round;                     /* answers to questions of an earlier one do not count */
    unsigned questions;                 /* of all rounds */
    size_t candidate;                   /* the full name that is asked for */
    struct job_list jobs;               /* that wait for what is known soon */
    struct job_list thorough;           /* that wait for both families */
    struct job_list counted;            /* that are answered, and count until the lookup ends */
    struct asker *askers;               /* parts of the helper that wait for what is known soon */
    char session[MESSAGE_SESSION_SIZE]; /* that the last lookup was begun for */
    char host[];
};

/* A question that is under way. */
struct inquiry {
    struct name *name;
    int family;
    unsigned round;
};

static struct {
    struct ev_loop *loop;
    struct name *buckets[BUCKETS];
    unsigned names;
    unsigned changes; /* of resolv.conf */
    bool is_ending;
} state;

/* ---- what is known ---- */

static bool is_fresh(const struct family *family)
{
    return !family->has_failed && clock_now_ms() < family->expires_ms;
}

static bool has_fresh(const struct family *family)
{
    return family->count > 0 && is_fresh(family);
}

/* Fresh, or so old that it may serve until a new answer comes. */
static bool has_usable(const struct family *family)
{
    return family->count > 0 && clock_now_ms() < family->expires_ms + STALE_MS;
}

static bool has_any(const struct name *name, bool (*has)(const struct family *family))
{
    return has(&name->families[IPV4]) || has(&name->families[IPV6]);
}

static bool is_under_way(const struct family *family)
{
    return family->is_under_way;
}

static bool has_failed(const struct family *family)
{
    return family->has_failed;
}

/* A family that has no address is not asked for again while the other one's answer lasts. */
static bool needs_question(const struct name *name, int i)
{
    const struct family *family = &name->families[i];
    const struct family *other = &name->families[FAMILIES - 1 - i];

    if (family->is_under_way)
        return false;
    if (is_fresh(family))
        return family->count == 0 && family->changes != state.changes && !has_fresh(other);
    if (!has_fresh(other))
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
    if (!has_any(name, is_under_way))
        return true;
    return extent == HELPER_SOON && !name->has_begun && has_any(name, has_usable);
}

static void collect(const struct name *name, struct helper_addresses *addresses)
{
    bool (*has)(const struct family *family) = has_any(name, has_fresh) ? has_fresh : has_usable;
    const struct family *first = &name->families[IPV4];
    const struct family *second = &name->families[IPV6];
    size_t first_count = has(first) ? first->count : 0;
    size_t second_count = has(second) ? second->count : 0;
    bool is_ipv6_first =
        second_count > 0 &&
        name_order_is_ipv6_first(first_count > 0 ? first->list : NULL, second->list);

    memset(addresses, 0, sizeof(*addresses));
    addresses->is_partial = has_any(name, is_under_way) || has_any(name, has_failed);
    addresses->count = is_ipv6_first
                           ? name_order_merge(second->list, second_count, first->list, first_count,
                                              addresses->list, DIAL_ADDRESSES_MAX)
                           : name_order_merge(first->list, first_count, second->list, second_count,
                                              addresses->list, DIAL_ADDRESSES_MAX);
}

/* ---- the cache ---- */

static size_t bucket_of(const char *host)
{
    return hash_text(host) % BUCKETS;
}

static struct name *find_name(const char *host)
{
    struct name *name = state.buckets[bucket_of(host)];

    while (name != NULL && strcmp(name->host, host) != 0)
        name = name->next;
    return name;
}

static bool is_in_use(const struct name *name)
{
    return name->questions > 0;
}

/* A name that a session may ask for again soon. */
static bool is_of_use(const struct name *name)
{
    return is_in_use(name) || has_any(name, has_fresh);
}

static void free_name(struct name *name)
{
    ev_timer_stop(state.loop, &name->patience);
    for (int i = 0; i < FAMILIES; i++)
        free(name->families[i].list);
    free(name);
}

static void forget_names_but(bool (*is_kept)(const struct name *name))
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct name **link = &state.buckets[i];
        while (*link != NULL) {
            struct name *name = *link;
            if (is_kept(name)) {
                link = &name->next;
                continue;
            }
            *link = name->next;
            free_name(name);
            state.names--;
        }
    }
}

/* Names that do not exist go first: a client may send any number of them. */
static void make_room(void)
{
    if (state.names >= NAMES_MAX)
        forget_names_but(is_of_use);
    if (state.names >= NAMES_MAX)
        forget_names_but(is_in_use);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events);

static struct name *add_name(const char *host)
{
    size_t length = strlen(host) + 1;
    struct name *name = calloc(1, sizeof(*name) + length);
    struct name **bucket = &state.buckets[bucket_of(host)];

    if (name == NULL)
        return NULL;
    memcpy(name->host, host, length);
    ev_timer_init(&name->patience, on_patience, 0.0, 0.0);
    name->patience.data = name;
    name->next = *bucket;
    *bucket = name;
    state.names++;
    return name;
}

static struct name *find_or_add(const char *host)
{
    struct name *name;

    make_room();
    name = find_name(host);
    return name != NULL ? name : add_name(host);
}

/* ---- those that wait ---- */

static void send_to_jobs(struct name *name, struct job_list *list,
                         const struct helper_addresses *addresses)
{
    struct job *job;

    while ((job = list->first) != NULL) {
        job_list_remove(list, job);
        (void)job_answer(job, MESSAGE_ADDRESSES, addresses, sizeof(*addresses));
        if (!job->is_running || !has_any(name, is_under_way)) {
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
    collect(name, &addresses);
    send_to_jobs(name, &name->jobs, &addresses);
    tell_askers(name, &addresses);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct name *name = timer->data;

    (void)loop;
    (void)events;
    if (has_any(name, has_usable))
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
    if (which == NULL && has_any(name, has_usable))
        log_add_text(&line, "used", "the last answer");
    log_end(&line);
}

/* A family that fails while the other one has addresses is told once, until it answers again. */
static void complain(struct name *name)
{
    static const char *const names[FAMILIES] = {[IPV4] = "IPv4", [IPV6] = "IPv6"};
    bool is_half = has_any(name, has_fresh);

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
    collect(name, &addresses);
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
    return has_any(name, has_fresh);
}

/* Goes on after a family is settled. */
static void advance(struct name *name)
{
    if (has_any(name, is_under_way)) {
        if (name->has_begun && has_any(name, has_fresh))
            wait_at_most(name, OTHER_FAMILY_MS);
        return;
    }
    if (!has_any(name, has_fresh) && !has_any(name, has_failed)) {
        if (ask_next_name(name))
            return;
        if (lookup_order().is_hosts_last)
            (void)find_in_hosts(name);
    }
    finish(name);
}

static bool is_found_at_once(struct name *name)
{
    if (has_any(name, is_under_way) || has_any(name, has_fresh))
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
        if (has_any(name, has_fresh))
            wait_at_most(name, OTHER_FAMILY_MS);
        else if (has_any(name, has_usable))
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
    for (size_t i = 0; i < BUCKETS; i++) {
        struct name *name = state.buckets[i];

        while (name != NULL) {
            if (!is_asked_of_old(name)) {
                name = name->next;
                continue;
            }
            ask_again(name);
            name = state.buckets[i]; /* a part that was answered may have changed the list */
        }
    }
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

bool resolver_answer_known(const char *host, enum helper_extent extent, int answer_fd)
{
    struct helper_addresses addresses;
    const struct name *name;

    follow_conf();
    name = find_name(host);
    if (name == NULL || !is_known(name, extent))
        return false;
    collect(name, &addresses);
    (void)job_send(answer_fd, MESSAGE_ADDRESSES, &addresses, sizeof(addresses));
    close(answer_fd);
    return true;
}

/* Nothing has to be asked for the session: it can wait for what is under way. */
static bool may_join(const struct name *name, enum helper_extent extent)
{
    return has_any(name, is_under_way) && !needs_any(name) &&
           (extent == HELPER_ALL || name->has_begun);
}

bool resolver_join(struct job *job, const char *host, enum helper_extent extent)
{
    struct name *name = find_name(host);

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
    name = find_or_add(host);
    if (name != NULL && !is_known(name, extent)) {
        add_job(name, job, extent);
        begin(name, job->session);
        return;
    }
    if (name != NULL) {
        collect(name, &addresses);
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
    name = state.is_ending ? NULL : find_or_add(host);
    if (name == NULL) {
        answer(context, NULL);
    } else if (is_known(name, HELPER_SOON)) {
        collect(name, &addresses);
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
    return lookup_init(loop);
}

void resolver_end(void)
{
    state.is_ending = true;
    lookup_end(); /* ends what is under way, with an answer to each session */
    forget_names_but(is_in_use);
}
