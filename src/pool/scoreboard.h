/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scoreboard: what each worker is doing, in memory shared between the master, its workers and
 * the process that shows the status.
 *
 * A worker that carries one session has one slot for itself and the session. One that carries many
 * has a slot of its own (idle: it has a free place; busy: all are taken) and behind it one for each
 * place, which is busy or free.
 *
 * A slot is written by the worker it belongs to, and by the master before that worker is there and
 * after it is gone; while it runs the master writes shed_session and is_called only. But any worker
 * of the pool can write all of it, and one that was broken into may: the master takes no number of
 * it for an index, a size or a process. Readers take consistent copies of the texts through a
 * sequence count, without locks; they show them, and decide nothing by them.
 */
#ifndef POOL_SCOREBOARD_H
#define POOL_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/seqlock.h"

enum {
    SCOREBOARD_ID_SIZE = 32,
    SCOREBOARD_CLIENT_SIZE = 64,
    SCOREBOARD_USER_SIZE = 64,
    SCOREBOARD_SERVER_SIZE = 64,
    SCOREBOARD_OUTCOMES_MAX = 64,
};

enum scoreboard_state {
    SCOREBOARD_FREE,     /* no process */
    SCOREBOARD_STARTING, /* forked, not waiting yet */
    SCOREBOARD_IDLE,     /* waiting for a connection */
    SCOREBOARD_BUSY,     /* serving a session */
    SCOREBOARD_LEAVING,  /* takes no more connections and exits with its last session */
    SCOREBOARD_RESTING,  /* waits to be called before it waits for a connection */
};

/* The texts of a session, for people. */
struct scoreboard_texts {
    char id[SCOREBOARD_ID_SIZE];
    char client[SCOREBOARD_CLIENT_SIZE];
    char user[SCOREBOARD_USER_SIZE];
    char server[SCOREBOARD_SERVER_SIZE];
};

struct scoreboard_slot {
    _Atomic int pid; /* of a worker's own slot, to be shown; 0: free */
    _Atomic int state;
    _Atomic int stage;             /* of the session */
    _Atomic bool is_logged_in;     /* never shed then */
    _Atomic uint32_t session;      /* counts this worker's sessions */
    _Atomic uint32_t shed_session; /* the master asks this one to end */
    _Atomic int64_t started_ms;    /* monotonic: the session's begin, or the wait's */
    _Atomic uint64_t octets;       /* passed to the client in this session */
    _Atomic uint64_t account;      /* key in the account table whose place it holds; 0: none */
    /* Of the own slot of a worker that carries many sessions: how many it has now, and how many of
     * the slots behind this one were ever used. */
    _Atomic uint32_t session_count;
    _Atomic uint32_t slots_used;
    _Atomic uint32_t is_called; /* while it rests: 1 ends the rest */
    struct seqlock texts_lock;
    struct scoreboard_texts texts;
};

/* Totals of an instance over all its workers; they outlive reloads. */
struct scoreboard_totals {
#define TOTAL(field, ...) _Atomic uint64_t field;
#include "pool/totals.def"
#undef TOTAL
    _Atomic uint64_t outcomes[SCOREBOARD_OUTCOMES_MAX];
};

/* The slots of a pool and what its processes tell each other. */
struct scoreboard {
    _Atomic int idle;              /* workers that can take a connection */
    _Atomic uint64_t accepted;     /* connections taken */
    _Atomic bool is_master_awake;  /* it looks again by itself: no need to tell it */
    _Atomic size_t listening_most; /* the first so many workers listen, the others rest */
    _Atomic size_t workers_end;    /* for the status: no worker from this one on is there */
    struct scoreboard_slot slots[];
};

/* NULL when there is no memory. Freed with the same number of slots. */
struct scoreboard *scoreboard_new(size_t slot_count);
void scoreboard_free(struct scoreboard *scoreboard, size_t slot_count);

/* Writes the texts of the session that begins or goes on; longer ones are cut, unprintable octets
 * replaced. NULL leaves a text as it is. By the slot's worker only. */
void scoreboard_write_texts(struct scoreboard_slot *slot, const char *id, const char *client,
                            const char *user, const char *server);

/* A consistent copy of the texts, clean whatever a worker has written there. False, and no texts,
 * when the writer died or was stopped in the middle of it. */
bool scoreboard_read_texts(const struct scoreboard_slot *slot, struct scoreboard_texts *texts);

/* Sleeps until the slot is called, or a signal handler has run. To be called by the slot's worker,
 * which has set is_called to 0 and has seen after that that it has to rest. */
void scoreboard_rest(struct scoreboard_slot *slot);

/* Ends the rest of the slot's worker, or the one it is about to begin. Async-signal-safe. */
void scoreboard_call(struct scoreboard_slot *slot);

static inline void scoreboard_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

#endif
