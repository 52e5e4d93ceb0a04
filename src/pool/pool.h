/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool: the workers of one instance under one configuration, the helper they share, and the
 * memory in which they show what they do. A reload makes new pools and retires the old ones.
 *
 * Everything about pools belongs to the master, which runs them in its event loop. The parts, from
 * the lowest up:
 *
 *   pool_slots    how the shared memory is divided among workers and sessions
 *   pool_workers  the processes: forking them, signalling them, what a dead one leaves
 *   pool_rest     which workers listen
 *   pool_room     which sessions are ended when the pool is full
 *   pool_full     what the log says about a full pool
 *   pool_queue    connections that have waited too long
 *   pool_size     how many workers there are: the policy, and all timers
 *   pool, pool_reap  the life of a pool, and of its processes
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "config/conf.h"
#include "helper/helper_watch.h"
#include "pool/instance_memory.h"
#include "pool/listener.h"
#include "pool/pool_full.h"
#include "pool/pool_queue.h"
#include "pool/pool_rest.h"
#include "pool/pool_size.h"
#include "pool/scoreboard.h"
#include "route/router.h"

/* A configuration that pools use. It is freed with the last of them. */
struct generation {
    struct conf conf;
    unsigned number;
    unsigned users;
};

/* The caller uses the generation no more; NULL is harmless. */
void generation_release(struct generation *generation);

enum pool_state {
    POOL_RUNNING,
    POOL_RETIRING, /* takes no new sessions; those that run may end */
    POOL_STOPPING, /* tells its sessions to end */
};

struct pool {
    struct pool *next;
    struct generation *generation;
    const struct conf_instance *instance;
    struct listener *listener; /* NULL once the pool takes no more connections */
    struct instance_memory *memory;
    enum pool_state state;
    bool is_killed; /* the grace time is over */
    ev_timer insist; /* tells sessions again to end */

    /* What workers need. */
    struct address *own_addresses; /* all listening ones: a server among them is a loop */
    size_t own_address_count;
    uid_t uid;
    gid_t gid;
    pid_t master_pid;
    struct route_counts *route_counts[ROUTER_TABLES_MAX]; /* of each table, shared with the helper */
    int request_fds[2]; /* to the helper: [0] is the workers' end, [1] the helper's */
    int notify_fd;      /* an eventfd: a worker writes when the master is to see to the pool */

    /* pool_slots: the shape does not change. */
    struct scoreboard *scoreboard; /* shared with the workers */
    size_t places;                 /* sessions that a worker carries at once */
    size_t worker_slots;           /* slots of a worker: one, or one and one for each place */
    size_t worker_count;           /* workers that there are slots for */

    /* pool_workers: the master's own knowledge, which no worker can write. */
    pid_t *pids;        /* of the workers, 0: no process; no worker has this memory */
    size_t workers_end; /* no worker from this index on has a process */
    size_t alive;       /* workers that have a process */
    pid_t helper_pid;   /* 0: no process */
    struct helper_watch helper_watch;
    int64_t helper_started_ms;

    struct pool_rest rest;
    struct pool_queue queue;
    struct pool_full full;
    struct pool_size size;
};

/* Makes a pool of the instance; nothing runs yet. The pool is a user of `generation` until it is
 * freed. NULL with `error` set when a socket or memory cannot be had. */
struct pool *pool_new(struct generation *generation, const struct conf_instance *instance,
                      struct error *error);
/* Starts the helper and the workers. */
void pool_start(struct pool *pool);
/* No new connections for this pool: idle workers leave now, busy ones after their session. */
void pool_retire(struct pool *pool);
/* The same, and sessions are told to end. */
void pool_stop(struct pool *pool);
/* Kills what is left. */
void pool_kill(struct pool *pool);
/* Replaces every worker and the helper by new ones (after the log was reopened). */
void pool_refresh(struct pool *pool);
/* After the helper has died: all workers share the socket to it, so one that was taken over may have
 * shut it down, and every helper would end at once. Then makes a new one and replaces the workers,
 * which have only the old one. */
void pool_mend_channel(struct pool *pool);
/* How many workers of a pool that was told to retire may still take a connection. */
size_t pool_count_acceptors(const struct pool *pool);
/* No process is left. */
bool pool_is_empty(const struct pool *pool);
/* Frees an empty pool, and what it uses if nobody else does. */
void pool_free(struct pool *pool);

/* A child has ended. Returns whether it was one of this pool's. If so, gives back what it held and
 * replaces it if there should be another. */
bool pool_reap(struct pool *pool, pid_t pid, int status);

#endif
