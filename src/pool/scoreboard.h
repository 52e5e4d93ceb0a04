/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scoreboard: what each worker is doing, in memory shared between the master, its workers and
 * the process that shows the status.
 *
 * A worker that carries one session has one slot for itself and the session. One that carries many
 * has a slot of its own (idle: it has a free place; busy: all are taken), and after it one for each
 * place (busy or free).
 *
 * A worker writes its own slots. The master writes them before the worker starts and after it has
 * ended; in between it writes shed_session and is_called only. The status process writes
 * kicked_session. But the memory is shared by all workers of the pool, and one that an attacker has
 * taken over can write all of it. So nobody may use a number from here as an index, a size or a
 * process: read a slot by the functions below, which bound what they return. The texts are shown, and
 * `kick` finds a session by its id; nothing else is decided by them.
 */
#ifndef POOL_SCOREBOARD_H
#define POOL_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/seqlock.h"
#include "session/session.h"

enum {
    SCOREBOARD_ID_SIZE = 32,
    SCOREBOARD_CLIENT_SIZE = 64,
    SCOREBOARD_USER_SIZE = 64,
    SCOREBOARD_SERVER_SIZE = 64,
    SCOREBOARD_OUTCOMES_MAX = 64,
};

/*
 * What a slot's worker is doing, and the legal moves:
 *
 *      FREE ---> STARTING ---> IDLE <----> BUSY ---> RESTING
 *                    |          | ^         |           |
 *                    |          | '---------+-----------'
 *                    v          v           v
 *                    '------> LEAVING <-----'
 *
 * FREE to STARTING is the master's move before a fork. From every state it goes to FREE when the
 * process has ended, or was not forked. The other moves are the worker's own.
 *
 * The slot of a place, in a worker with many sessions, only goes from FREE to BUSY and back.
 */
enum scoreboard_state {
    SCOREBOARD_FREE,     /* no process, or no session at this place */
    SCOREBOARD_STARTING, /* forked, but does not wait for a connection yet */
    SCOREBOARD_IDLE,     /* waits for a connection */
    SCOREBOARD_BUSY,     /* serves a session, or as many as it has places */
    SCOREBOARD_LEAVING,  /* takes no more connections and exits with its last session */
    SCOREBOARD_RESTING,  /* waits to be called before it waits for a connection */
    SCOREBOARD_STATE_COUNT
};

/* How far the login of a slot's session is. */
enum scoreboard_login {
    SCOREBOARD_LOGIN_NONE,      /* not tried, or not counted */
    SCOREBOARD_LOGIN_UNDER_WAY, /* counted in the account table as an attempt under way */
    SCOREBOARD_LOGIN_DONE,      /* logged in: the session is never shed */
};

/* The texts of a session, for people: words of ASCII, but `user` is a name as utf8_copy_name() makes
 * it. */
struct scoreboard_texts {
    char id[SCOREBOARD_ID_SIZE];
    char client[SCOREBOARD_CLIENT_SIZE];
    char user[SCOREBOARD_USER_SIZE];
    uint64_t user_hash; /* of the whole name: log_private_hash() */
    char server[SCOREBOARD_SERVER_SIZE];
};

struct scoreboard_slot {
    _Atomic int pid;   /* of a worker's own slot, to be shown; 0: free */
    _Atomic int state; /* read it by scoreboard_state() */
    _Atomic int stage; /* of the session; read it by scoreboard_stage() */
    _Atomic int login;             /* compare it with an enum scoreboard_login */
    _Atomic uint32_t session;      /* counts this worker's sessions */
    _Atomic uint32_t shed_session; /* the master asks this one to end */
    _Atomic uint32_t kicked_session; /* the operator ends this one; 0: none */
    _Atomic int64_t started_ms;    /* monotonic: when the session began, or the wait for one */
    _Atomic uint64_t octets;       /* passed to the client in this session */
    _Atomic uint64_t account;      /* the address in the account table that holds this place; 0: none */
    /* Hashes of the session's login in lower case, as typed and as sent to the server; 0: not known. */
    _Atomic uint64_t typed_name;
    _Atomic uint64_t sent_name;
    _Atomic uint64_t session_address; /* what the session counts for after its login, see quota.h; */
    _Atomic uint64_t session_user;    /* 0: nothing */
    _Atomic uint64_t staying_user; /* at a server of a group; 0: nobody */
    /* Of the own slot of a worker that carries many sessions: how many it has now, and how many of
     * the slots after this one were ever used. */
    _Atomic uint32_t session_count;
    _Atomic uint32_t slots_used;
    _Atomic uint32_t is_called; /* while it rests: 1 ends the rest */
    /* What the session holds of a server of a group: the number of the server, whether the login is
     * under way, and above who stays there. See group_memory.h. */
    _Atomic uint32_t server;
    _Atomic uint32_t is_server_login;
    struct seqlock texts_lock;
    struct scoreboard_texts texts;
};

/* Handshakes of TLS are counted for each side and version. */
enum scoreboard_side { SCOREBOARD_OF_CLIENT, SCOREBOARD_OF_SERVER, SCOREBOARD_SIDES };
enum { SCOREBOARD_TLS_VERSIONS = 4 };
extern const char *const scoreboard_tls_versions[SCOREBOARD_TLS_VERSIONS];

/* Totals of an instance over all its workers; they outlive reloads. */
struct scoreboard_totals {
#define TOTAL(field, ...) _Atomic uint64_t field;
#include "pool/totals.def"
#undef TOTAL
#define HISTOGRAM(field, ...) struct histogram field;
#include "pool/histograms.def"
#undef HISTOGRAM
    _Atomic uint64_t outcomes[SCOREBOARD_OUTCOMES_MAX];
    _Atomic uint64_t handshakes[SCOREBOARD_SIDES][SCOREBOARD_TLS_VERSIONS];
    _Atomic int64_t crowded_said_ms; /* when a worker last logged that the account table is full */
};

/* The slots of a pool and what its processes tell each other. */
struct scoreboard {
    _Atomic uint64_t idle;         /* workers that can take a connection; see scoreboard_idle() */
    _Atomic uint64_t accepted;     /* connections taken */
    _Atomic int is_master_awake;   /* not 0: it checks again by itself, there is no need to tell it */
    _Atomic int has_started;       /* not 0: a worker could start, and none has failed to since */
    _Atomic int is_helper_silent;  /* not 0: a session has waited long for the helper */
    _Atomic size_t listening_most; /* the first so many workers listen, the others rest */
    _Atomic uint32_t queue;        /* for the status: connections that wait, by the kernel's count */
    _Atomic size_t workers_end;    /* for the status: no worker from this index on has a process */
    struct scoreboard_slot slots[];
};

/* NULL when there is no memory. Freed with the same number of slots. */
struct scoreboard *scoreboard_new(size_t slot_count);
void scoreboard_free(struct scoreboard *scoreboard, size_t slot_count);

/* Whether the diagram above has this move. */
bool scoreboard_is_legal_move(enum scoreboard_state from, enum scoreboard_state to);

/* The only function that stores a state. A build with --enable-debug or --enable-sanitizers aborts
 * at an illegal move. */
void scoreboard_set_state(struct scoreboard_slot *slot, enum scoreboard_state state);

/* The slot's state; SCOREBOARD_STATE_COUNT when the number there is none. */
enum scoreboard_state scoreboard_state(const struct scoreboard_slot *slot);

/* The stage of the slot's session; SESSION_STAGE_COUNT when the number there is none. And the word
 * for it, "unknown" then. */
enum session_stage scoreboard_stage(const struct scoreboard_slot *slot);
const char *scoreboard_stage_word(const struct scoreboard_slot *slot);

/* Whether the operator ends the session that is in the slot now. */
bool scoreboard_is_kicked(const struct scoreboard_slot *slot);

/* How long the session lasts, or the wait for one: from 0 to `now_ms`. */
int64_t scoreboard_age_ms(const struct scoreboard_slot *slot, int64_t now_ms);

/* For the master, before it forks a worker: the slot is free, and nothing of the last worker's is
 * left in it. */
void scoreboard_clear(struct scoreboard_slot *slot);

/* Writes the texts of the session that begins or goes on; longer ones are cut, what may not be shown is
 * replaced. NULL leaves a text as it is. By the slot's worker only. */
void scoreboard_write_texts(struct scoreboard_slot *slot, const char *id, const char *client,
                            const char *user, const char *server);

/* A consistent copy of the texts, clean whatever a worker has written there. Returns false, and no
 * texts, when the writer died or was stopped in the middle of it. */
bool scoreboard_read_texts(const struct scoreboard_slot *slot, struct scoreboard_texts *texts);

/* Sleeps until the slot is called, or a signal handler has run. The slot's worker calls it, after
 * it has set is_called to 0 and then checked again that it has to rest. */
void scoreboard_rest(struct scoreboard_slot *slot);

/* Ends the rest of the slot's worker, or the one it is about to begin. Async-signal-safe. */
void scoreboard_call(struct scoreboard_slot *slot);

/*
 * How many workers can take a connection: the lower half of the number `idle`. The upper half grows
 * with almost every change. So the master can count the states and then correct the number only if
 * nothing has changed meanwhile; a worker that left and another that came would else go unnoticed.
 */
static inline int scoreboard_idle_of(uint64_t idle)
{
    return (int32_t)(uint32_t)idle;
}

static inline int scoreboard_idle(const struct scoreboard *scoreboard)
{
    return scoreboard_idle_of(atomic_load(&scoreboard->idle));
}

/* Returns how many there were before. */
static inline int scoreboard_add_idle(struct scoreboard *scoreboard, int amount)
{
    uint64_t change = ((uint64_t)1 << 32) + (uint64_t)(int64_t)amount;

    return scoreboard_idle_of(atomic_fetch_add(&scoreboard->idle, change));
}

static inline void scoreboard_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

#endif
