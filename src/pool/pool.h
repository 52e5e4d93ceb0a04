/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool: the workers of one instance under one configuration, the helper they share, and the
 * memory in which they are seen. A reload makes new pools and retires the old ones.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/cpu_idle.h"
#include "base/error.h"
#include "config/conf.h"
#include "pool/account.h"
#include "pool/listener.h"
#include "pool/scoreboard.h"

/* What is kept over reloads for all instances of one name, as long as one has processes. */
struct instance_memory {
    struct instance_memory *next;
    unsigned users; /* pools */
    char *name;
    struct scoreboard_totals *totals; /* shared */
    struct account_table *accounts;   /* shared */
};

/* A configuration in use by pools; freed with the last of them. */
struct generation {
    struct conf conf;
    unsigned number;
    unsigned users;
};

/* Gives up a share; NULL is harmless. */
void generation_release(struct generation *generation);

enum { POOL_SHRINK_LOOKS = 5 }; /* a second apart */

enum pool_state {
    POOL_RUNNING,
    POOL_RETIRING, /* no new sessions; those that run may end */
    POOL_STOPPING, /* sessions are told to end */
};

struct pool {
    struct pool *next;
    struct generation *generation;
    const struct conf_instance *instance;
    struct listener *listener; /* NULL once the pool takes no connections any more */
    struct instance_memory *memory;
    struct scoreboard *scoreboard;
    pid_t *pids; /* of the workers, 0: none; no worker has this memory */
    struct address *own_addresses; /* all listening ones, against loops */
    size_t own_address_count;
    uid_t uid;
    gid_t gid;
    pid_t master_pid;
    enum pool_state state;
    bool is_killed;      /* the grace is over */
    size_t places;       /* sessions a worker carries at once */
    size_t worker_slots; /* slots of a worker: one, or one and those of its places */
    size_t worker_count; /* workers that there are slots for */
    size_t workers_end;  /* no worker from this one on has a process: the master's own knowledge */
    size_t alive;        /* workers that have a process */

    int request_fds[2]; /* to the helper: [0] the workers', [1] the helper's end */
    pid_t helper_pid;
    double helper_started_s;

    int notify_fd; /* workers write: the last idle one is taken */
    ev_io notified;
    ev_io waiting;                    /* a connection waits while no worker is idle */
    ev_timer look;                    /* looks at the queue while it may stall */
    ev_timer shrink;                  /* retires surplus workers */
    ev_timer throttle;                /* forking is paused */
    ev_timer insist;                  /* says retire or stop once more */
    double throttle_s;                /* the last pause */
    double throttle_over_s;           /* when it ended */
    size_t unused[POOL_SHRINK_LOOKS]; /* workers without a session at each; 0 where it has grown */
    size_t shrink_looks;
    uint64_t accepted_before;
    double pace;        /* connections taken between two looks, on average */
    double slow_pace;   /* over a longer time */
    unsigned made_room; /* sessions shed at the last look */
    unsigned still_looks;
    unsigned calm_looks;
    unsigned rest_looks;      /* since some were last sent to rest */
    unsigned trial_looks;     /* since it grew without idle processors */
    double pace_before_trial; /* slow_pace then; 0: it has not */
    struct cpu_idle cpu;
};

/* Makes a pool of the instance; nothing runs yet. The pool shares `generation`. NULL with `error`
 * set when a socket or memory cannot be had. */
struct pool *pool_new(struct generation *generation, const struct conf_instance *instance,
                      struct error *error);
/* Starts the helper and the workers. */
void pool_start(struct pool *pool);
/* No new connections for this pool: idle workers leave now, busy ones after their session. */
void pool_retire(struct pool *pool);
/* As well, and sessions are told to end. */
void pool_stop(struct pool *pool);
/* Kills what is left. */
void pool_kill(struct pool *pool);
/* Replaces every worker and the helper by new ones (after the log was reopened). */
void pool_refresh(struct pool *pool);
/* How many workers of a pool that was told to retire may still take a connection. */
size_t pool_count_acceptors(const struct pool *pool);
/* No process is left. */
bool pool_is_empty(const struct pool *pool);
/* Frees an empty pool and its shares. */
void pool_free(struct pool *pool);

/* A child has ended. Returns whether it was one of this pool's; cleans up behind it, and replaces
 * it if need be. */
bool pool_reap(struct pool *pool, pid_t pid, int status);

/* The caller's share of the memory kept for the instance's name; made on first use. NULL: no
 * memory. */
struct instance_memory *instance_memory_acquire(const char *name);
void instance_memory_release(struct instance_memory *memory);

/* Forks the helper. */
void pool_start_helper(struct pool *pool);

/* ---- the slots: pool_slots.c ---- */

/* Sets the shape of the scoreboard, which lies where workers cannot change it, and makes it, with
 * room for the numbers of the workers' processes. Returns 0, or -1 when there is no memory. */
int pool_make_slots(struct pool *pool);
void pool_free_slots(struct pool *pool);
/* How many slots there are in all. */
size_t pool_slot_count(const struct pool *pool);
/* A worker's own slot, `i` below worker_count. */
struct scoreboard_slot *pool_worker_slot(const struct pool *pool, size_t i);
/* The worker `i` is there. */
bool pool_has_process(const struct pool *pool, size_t i);
/* Sends the worker `i`, or the one whose session has this slot, a signal if it is there. */
void pool_signal(const struct pool *pool, size_t i, int number);
void pool_signal_place(const struct pool *pool, const struct scoreboard_slot *slot, int number);
/* Goes through the slots that sessions may be in, those of the worker with this slot or of all
 * workers. Begin with *at 0; NULL after the last. */
struct scoreboard_slot *pool_next_place(const struct pool *pool, struct scoreboard_slot *worker,
                                        size_t *at);
struct scoreboard_slot *pool_next_session(const struct pool *pool, size_t *at);

/* ---- the size of the pool: pool_size.c ---- */

enum {
    POOL_LOOK_MS = 5,      /* between two looks at a queue that may stall */
    POOL_ROOM_LOOKS = 100, /* at the cap the whole queue shall have its turn within so many */
};

/* Forks up to `count` workers, within max_workers. Returns how many were. */
size_t pool_grow(struct pool *pool, size_t count);
/* How many more workers there may be. Those that only see their last sessions out do not count. */
size_t pool_size_room(const struct pool *pool);
/* How many workers are in this state. */
size_t pool_count_state(const struct pool *pool, enum scoreboard_state state);
/* Corrects the count of idle workers after one died that could not count itself out. */
void pool_count_afresh(struct pool *pool);
/* Sets up and ends the watchers that steer the size. */
void pool_size_init(struct pool *pool);
void pool_size_start(struct pool *pool);
void pool_size_stop(struct pool *pool);
/* A worker has died before its first session: pauses the forking, longer each time. Logged when the
 * pause grows. */
void pool_size_throttle(struct pool *pool, const char *why);
/* fork() failed: the same with short pauses, to be back soon after a limit is lifted. */
void pool_size_wait_to_fork(struct pool *pool, const char *why);
/* Brings the pool back to what is kept ready, unless forking is paused. */
void pool_size_refill(struct pool *pool);

/* ---- overload: pool_room.c ---- */

/* Asks as many sessions to end as the queue needs to have its turn in time: of those that have not
 * logged in the ones of the address that holds most places, the oldest first. Returns how many. */
unsigned pool_make_room(struct pool *pool, size_t queue);

/* ---- resting: pool_rest.c ---- */

/* All workers listen again. */
void pool_call_all(struct pool *pool);
/* Some rest, or go to rest after their session. */
bool pool_has_resting(const struct pool *pool);
/* Twice as many listen from now on. */
void pool_call_more(struct pool *pool);
/* To be called at each look at which no processor is idle: where sessions finish quickly, most
 * workers go to rest after their session, step by step, down to a few a processor. */
void pool_send_to_rest(struct pool *pool);

#endif
