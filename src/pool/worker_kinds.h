/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two kinds of worker, once the process is confined. For the files of the worker alone.
 */
#ifndef POOL_WORKER_KINDS_H
#define POOL_WORKER_KINDS_H

#include "helper/helper.h"
#include "pool/place.h"
#include "pool/worker.h"
#include "session/known_servers.h"

struct worker {
    struct pool *pool;
    struct scoreboard_slot *slot; /* its own */
    struct helper helper;
    struct known_servers known_servers;
};

/* One session after the other, each with the whole process to itself. `prepare` comes first, while
 * descriptors can still be opened; it returns a descriptor to keep, or -1. */
int worker_one_prepare(const struct worker *worker);
void worker_one_run(struct worker *worker);

/* Up to sessions_per_worker at once. */
int worker_many_prepare(const struct worker *worker);
void worker_many_run(struct worker *worker);

/* Takes a connection and its client's address. Returns the descriptor, or -1 with errno set. */
int worker_accept(int listener_fd, struct address *client);

/* An accept() failed because of the connection, not of us: the next one may be good. */
bool worker_is_connection_error(int error);

/* One that failed for want of descriptors or memory, errno says of which: logged now and then. */
void worker_log_accept_failure(void);

/* What the session of this client, at this place, is to be started with. */
struct session_start worker_session_start(struct worker *worker, struct place *place,
                                          const struct address *client);

/* Counts the worker among those that can take a connection, and out again; the latter tells the
 * master if it was the last one. */
void worker_count_in(struct worker *worker);
void worker_count_out(struct worker *worker);

#endif
