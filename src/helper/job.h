/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request that the helper works on, from its arrival to its answer.
 *
 * Programs, lookups and searches of routing tables are limited: a number of each may run, and one
 * worker and one client address may have a quarter of that number. A request above a limit waits in
 * line and starts when one that is in its way has ended. A session that gives up meanwhile is
 * forgotten.
 *
 * The answer goes to the channel on which the request has come.
 */
#ifndef HELPER_JOB_H
#define HELPER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "helper/channel.h"
#include "helper/message.h"

enum job_kind {
    JOB_PROGRAM,
    JOB_LOOKUP,
    JOB_ROUTE,
    JOB_KIND_COUNT,
};

struct job;
struct job_party;

typedef void job_event(struct job *job);

/* Jobs in the order in which they were added. All zero: none. A job is in one list at most. */
struct job_list {
    struct job *first;
    struct job *last;
};

struct job {
    struct job *previous; /* in its list */
    struct job *next;
    enum job_kind kind;
    bool is_running;
    struct channel *channel; /* NULL: no session waits for the answer any more */
    uint32_t number;         /* of the question */
    job_event *start;
    job_event *on_gone;
    void *owner; /* of what works on it */
    struct job_party *worker;
    struct job_party *address;
    int64_t arrived_ms;
    char session[MESSAGE_SESSION_SIZE];
    struct message request; /* a copy, the next field being the kind's own first one */
    char data[];
};

/* Where a request comes from. */
struct job_origin {
    struct channel *channel;
    uint64_t account; /* of address_account_key(); 0: unknown */
    const char *session;
};

/* What fits into `descriptors`, the limit of open files; a worker has this many sessions. */
void job_init(size_t descriptors, size_t sessions_per_worker);

/* How many jobs there is room for. */
size_t job_most(void);

/* There is no room for further jobs now: take no more requests. */
bool job_is_full(void);

/* How many jobs there are whose sessions wait for an answer. */
size_t job_count(void);

/*
 * Makes a job of a request, which is copied; the copy is read from the present position on. It will
 * call `start` once it may run. Where the worker or the address has too many jobs (EBUSY), or there
 * is no memory, the answer is MESSAGE_RESULT_FAILED; returns NULL then, with errno.
 */
struct job *job_new(enum job_kind kind, const struct job_origin *origin,
                    const struct message *request, job_event *start);

/* Starts all waiting jobs that may run now. Returns whether any was started. */
bool job_start_waiting(void);

/* A job that has begun to run, or that something else works on, is in the hands of `owner` from now
 * on: `on_gone` is called when its session has given up, and no longer removes it. */
void job_take(struct job *job, void *owner, job_event *on_gone);

/* Sends one message of the answer, as channel_send() does. IO_FAILED: the session is gone. */
enum io_status job_answer(struct job *job, enum message_kind kind, const void *data, size_t length);

/* Sends the MESSAGE_RESULT that ends an answer, and ends the job. */
void job_finish(struct job *job, enum message_result result);

/* Frees the job, and makes room for others. It must be in no list of an owner. Where the answer is
 * not complete, the session asks again. */
void job_end(struct job *job);

/* The job goes on without a session: it still counts as running. */
void job_release(struct job *job);

void job_list_add(struct job_list *list, struct job *job);
void job_list_remove(struct job_list *list, struct job *job);

#endif
