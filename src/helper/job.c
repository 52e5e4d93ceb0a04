/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the jobs of each worker and each address, and keeps the lines in which jobs wait. Nothing
 * is started from within another job's end: the event loop starts what waits before it sleeps.
 */
#include "helper/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "helper/acp_starter.h"

enum {
    DESCRIPTORS_KEPT = 32,   /* for the log, the resolver, files */
    DESCRIPTORS_PROGRAM = 7, /* three pipes and a pidfd, until the child has its ends */
    LOOKUPS_MAX = 256,
    ROUTES_MAX = 256,
    JOBS_MAX = 65536,
    SHARE = 4,        /* one worker or address may run a quarter of what may run */
    WORKER_SPARE = 8, /* jobs whose sessions have ended, and this was not noticed yet */
    BUCKET_BITS = 10,
};

/* A worker or an address that has jobs. */
struct job_party {
    struct job_party *next;
    uint64_t key;
    size_t jobs;
    size_t running[JOB_KIND_COUNT];
};

static struct {
    size_t jobs_max;
    size_t worker_max;
    size_t running_max[JOB_KIND_COUNT];
    size_t jobs;
    size_t running[JOB_KIND_COUNT];
    struct job_list waiting[JOB_KIND_COUNT];
    struct job_party *workers[1 << BUCKET_BITS];
    struct job_party *addresses[1 << BUCKET_BITS];
} state;

static size_t at_least_one(size_t count)
{
    return count == 0 ? 1 : count;
}

static size_t at_most(size_t count, size_t most)
{
    return count < most ? count : most;
}

void job_init(size_t descriptors, size_t sessions_per_worker)
{
    size_t half = descriptors > DESCRIPTORS_KEPT ? (descriptors - DESCRIPTORS_KEPT) / 2 : 0;

    memset(&state, 0, sizeof(state));
    state.jobs_max = at_least_one(at_most(half, JOBS_MAX));
    state.worker_max = sessions_per_worker + WORKER_SPARE;
    state.running_max[JOB_PROGRAM] =
        at_least_one(at_most(half / DESCRIPTORS_PROGRAM, ACP_PROGRAMS_MAX));
    state.running_max[JOB_LOOKUP] = LOOKUPS_MAX;
    state.running_max[JOB_ROUTE] = ROUTES_MAX;
}

bool job_is_full(void)
{
    return state.jobs >= state.jobs_max;
}

size_t job_most(void)
{
    return state.jobs_max;
}

size_t job_count(void)
{
    return state.jobs;
}

/* ---- lists ---- */

void job_list_add(struct job_list *list, struct job *job)
{
    job->previous = list->last;
    job->next = NULL;
    if (list->last != NULL)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

void job_list_remove(struct job_list *list, struct job *job)
{
    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        list->first = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    else
        list->last = job->previous;
}

/* ---- workers and addresses ---- */

static struct job_party **find_party(struct job_party **buckets, uint64_t key)
{
    struct job_party **link = &buckets[hash_number(key) >> (64 - BUCKET_BITS)];

    while (*link != NULL && (*link)->key != key)
        link = &(*link)->next;
    return link;
}

static struct job_party *join_party(struct job_party **buckets, uint64_t key)
{
    struct job_party **link = find_party(buckets, key);

    if (*link == NULL) {
        *link = calloc(1, sizeof(**link));
        if (*link == NULL)
            return NULL;
        (*link)->key = key;
    }
    (*link)->jobs++;
    return *link;
}

static void free_if_idle(struct job_party **buckets, struct job_party *party)
{
    struct job_party **link = find_party(buckets, party->key);
    bool is_running = false;

    for (int kind = 0; kind < JOB_KIND_COUNT; kind++)
        is_running |= party->running[kind] > 0;
    if (party->jobs > 0 || is_running)
        return;
    *link = party->next;
    free(party);
}

/* An unknown worker or address has no limit of its own. */
static bool may_join(struct job_party **buckets, uint64_t key, size_t most)
{
    const struct job_party *party = *find_party(buckets, key);

    return key == 0 || party == NULL || party->jobs < most;
}

static bool has_share(const struct job_party *party, enum job_kind kind)
{
    return party->key == 0 || party->running[kind] < at_least_one(state.running_max[kind] / SHARE);
}

static bool may_run(const struct job *job)
{
    return state.running[job->kind] < state.running_max[job->kind] &&
           has_share(job->worker, job->kind) && has_share(job->address, job->kind);
}

/* ---- from arrival to end ---- */

static void leave_line(struct job *job)
{
    job_list_remove(&state.waiting[job->kind], job);
    job_end(job);
}

static void on_gone(void *owner)
{
    struct job *job = owner;

    job->on_gone(job);
}

static bool join_parties(struct job *job, const struct job_origin *origin)
{
    job->worker = join_party(state.workers, (uint64_t)origin->channel->worker);
    job->address = join_party(state.addresses, origin->account);
    if (job->worker != NULL && job->address != NULL)
        return true;
    if (job->worker != NULL) {
        job->worker->jobs--;
        free_if_idle(state.workers, job->worker);
    }
    if (job->address != NULL) {
        job->address->jobs--;
        free_if_idle(state.addresses, job->address);
    }
    return false;
}

static struct job *copy_request(const struct message *request)
{
    struct job *job = calloc(1, sizeof(*job) + request->length);

    if (job == NULL)
        return NULL;
    memcpy(job->data, request->data, request->length);
    job->request = *request;
    job->request.data = job->data;
    return job;
}

static struct job *make_job(const struct job_origin *origin, const struct message *request)
{
    struct job *job;

    /* Half of all for one address: another one always finds room. */
    if (!may_join(state.workers, (uint64_t)origin->channel->worker, state.worker_max) ||
        !may_join(state.addresses, origin->account, at_least_one(state.jobs_max / 2))) {
        errno = EBUSY;
        return NULL;
    }
    job = copy_request(request);
    if (job != NULL && !join_parties(job, origin)) {
        explicit_bzero(job->data, request->length);
        free(job);
        job = NULL;
    }
    return job;
}

/* The session is told, or it would take the close for the death of the helper and ask again. */
static void refuse(struct channel *channel)
{
    int error = errno;
    char result = MESSAGE_RESULT_FAILED;

    (void)channel_send(channel, channel->number, MESSAGE_RESULT, &result, 1);
    channel_end(channel);
    errno = error;
}

struct job *job_new(enum job_kind kind, const struct job_origin *origin,
                    const struct message *request, job_event *start)
{
    struct job *job = make_job(origin, request);

    if (job == NULL) {
        refuse(origin->channel);
        return NULL;
    }
    job->kind = kind;
    job->channel = origin->channel;
    job->number = origin->channel->number;
    job->start = start;
    job->arrived_ms = clock_now_ms();
    snprintf(job->session, sizeof(job->session), "%s", origin->session);
    job->on_gone = leave_line;
    channel_own(job->channel, job, on_gone);
    state.jobs++;
    job_list_add(&state.waiting[kind], job);
    return job;
}

void job_take(struct job *job, void *owner, job_event *on_gone_event)
{
    if (!job->is_running)
        job_list_remove(&state.waiting[job->kind], job);
    job->owner = owner;
    job->on_gone = on_gone_event;
}

static void run(struct job *job)
{
    job_list_remove(&state.waiting[job->kind], job);
    job->is_running = true;
    state.running[job->kind]++;
    job->worker->running[job->kind]++;
    job->address->running[job->kind]++;
    job->start(job);
}

static bool start_kind(enum job_kind kind)
{
    struct job *next;
    bool has_started = false;

    for (struct job *job = state.waiting[kind].first; job != NULL; job = next) {
        next = job->next;
        if (!may_run(job))
            continue;
        has_started = true;
        run(job);
    }
    return has_started;
}

bool job_start_waiting(void)
{
    bool has_started = false;

    /* One that fails at once makes room for one that was passed over. */
    for (int kind = 0; kind < JOB_KIND_COUNT; kind++)
        while (start_kind(kind))
            has_started = true;
    return has_started;
}

enum io_status job_answer(struct job *job, enum message_kind kind, const void *data, size_t length)
{
    return job->channel == NULL ? IO_FAILED
                                : channel_send(job->channel, job->number, kind, data, length);
}

void job_finish(struct job *job, enum message_result result)
{
    char octet = (char)result;

    /* Where even this does not fit, the close tells the asking side that nothing more comes. */
    (void)job_answer(job, MESSAGE_RESULT, &octet, 1);
    job_end(job);
}

void job_release(struct job *job)
{
    if (job->channel == NULL)
        return;
    channel_end(job->channel);
    job->channel = NULL;
    state.jobs--;
    job->worker->jobs--;
    job->address->jobs--;
}

void job_end(struct job *job)
{
    job_release(job);
    if (job->is_running) {
        state.running[job->kind]--;
        job->worker->running[job->kind]--;
        job->address->running[job->kind]--;
    }
    free_if_idle(state.workers, job->worker);
    free_if_idle(state.addresses, job->address);
    explicit_bzero(job->data, job->request.size); /* a password may be in it */
    free(job);
}
