/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker is, whichever way it serves. For the files of the worker alone.
 */
#ifndef POOL_WORKER_BASE_H
#define POOL_WORKER_BASE_H

#include "helper/helper.h"
#include "pool/place.h"
#include "pool/pool.h"

struct worker {
    struct pool *pool;
    struct scoreboard_slot *slot; /* its own */
    struct helper helper;
};

/* Takes a connection and its client's address. `flags`: 0 or SOCK_NONBLOCK. Returns the descriptor, or
 * -1 with errno set. */
int worker_accept(int listener_fd, struct address *client, int flags);

/* An accept() failed because of the connection, not of us: the next one may be good. */
bool worker_is_connection_error(int error);

/* An accept() failed because of us, as errno says: logs it at most every ten seconds. If the socket
 * does not listen any more, tells the master, which can mend it. */
void worker_accept_failed(const struct worker *worker);

/* What the session of this client, at this place, is to be started with. */
struct session_start worker_session_start(struct worker *worker, struct place *place,
                                          const struct address *client);

/* Count the worker among those that can take a connection, and out again. The latter tells the
 * master if it was the last one. */
void worker_count_in(struct worker *worker);
void worker_count_out(struct worker *worker);

#endif
