/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of one server of a group, in memory shared by the master, the workers, the process that
 * checks servers and the one that shows the status: whether it is up, and what is counted of it.
 *
 * Every worker writes here, and one that an attacker has taken over can write anything. So read a
 * state by the functions below only: they bound each number, and none of them is an index. A worker
 * may die at any instruction, so nothing is ever locked.
 *
 * All zero is a server that is up, was never down, and serves nobody. A pointer that is NULL stands
 * for such a server whose changes nobody wants to know.
 */
#ifndef ROUTE_SERVER_STATE_H
#define ROUTE_SERVER_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum server_failure {
#define SERVER_FAILURE(name, word, help) SERVER_FAILURE_##name,
#include "route/server_failure.def"
#undef SERVER_FAILURE
    SERVER_FAILURE_COUNT
};

enum { SERVER_QUEUE = 1024 }; /* a power of two; those after them wait for a place there */

struct server_state {
    _Atomic uint32_t is_down;    /* not 0: by failures or checks */
    _Atomic uint32_t is_drained; /* not 0: by a command */
    _Atomic int64_t since_ms;    /* monotonic: of the last change of the two; 0: none since the start */
    _Atomic int64_t retried_ms;  /* monotonic: when a login last tried it though it was down */
    _Atomic uint32_t sessions;
    _Atomic uint32_t logins;  /* of the sessions, those that are not logged in yet */
    _Atomic uint32_t failed;  /* sessions that failed in a row */
    _Atomic uint32_t checks_failed; /* checks that failed in a row, and that were good in a row */
    _Atomic uint32_t checks_good;
    _Atomic uint32_t check; /* the last one: CHECK_NONE, CHECK_GOOD, or CHECK_FAILED and its failure */
    _Atomic int64_t checked_ms;
    _Atomic int64_t check_us;
    _Atomic uint64_t failures[SERVER_FAILURE_COUNT]; /* of sessions and checks */

    /* Logins that wait for their turn. Each has a ticket. Its place in the ring has the time at which
     * it was last there, or 0; so one whose worker has died is passed over soon. */
    _Atomic uint32_t next_ticket;
    _Atomic uint32_t turn; /* the first ticket that may still wait */
    _Atomic uint32_t queue[SERVER_QUEUE];
};

/* A bounded copy. */
struct server_report {
    bool is_down;
    bool is_drained;
    bool has_changed; /* since the start of the gateway */
    int64_t age_ms;   /* since the last change */
    unsigned sessions;
    unsigned logins;
    unsigned waiting;
    unsigned failed;   /* sessions in a row */
    bool is_checked;   /* at least once; the four below are of the last check */
    bool is_check_good;
    enum server_failure check_failure; /* SERVER_FAILURE_COUNT after a good one */
    int64_t check_age_ms;
    int64_t check_us; /* how long it took */
    uint64_t failures[SERVER_FAILURE_COUNT];
};

/* What a note about a server has changed. The caller logs it. */
enum server_change { SERVER_UNCHANGED, SERVER_WENT_DOWN, SERVER_CAME_UP };

/* The word of a failure for logs and metrics: "connect-timeout". */
const char *server_failure_word(enum server_failure failure);

/* The word of a server's state: "up", "down" or "drained", which hides the other two. */
const char *server_state_word(const struct server_report *report);

void server_state_read(const struct server_state *state, int64_t now_ms, struct server_report *report);

bool server_state_is_down(const struct server_state *state);
bool server_state_is_drained(const struct server_state *state);

/* ---- notes ---- */

/* A session has found the server faulty before it sent a login. At the `fall`th in a row the server
 * goes down. */
enum server_change server_state_fail(struct server_state *state, enum server_failure failure,
                                     int64_t fall, int64_t now_ms);

/* The server has answered a session's login, whatever it said. With `may_come_up` that brings a
 * server back that was down: where nobody checks it. */
enum server_change server_state_succeed(struct server_state *state, bool may_come_up,
                                        int64_t now_ms);

/*
 * A check has ended after `check_us` microseconds: good where `failure` is SERVER_FAILURE_COUNT. The
 * `fall`th bad one in a row takes the server down, the `rise`th good one brings it back. For the one
 * process that checks.
 */
enum server_change server_state_check(struct server_state *state, enum server_failure failure,
                                      int64_t check_us, int64_t fall, int64_t rise, int64_t now_ms);

/* Takes the server out of service for new users, or puts it back. Returns whether that has changed
 * anything. */
bool server_state_set_drained(struct server_state *state, bool is_drained, int64_t now_ms);

/* Whether this login may try a server that is down, because nobody has for `pause_ms`. True for one
 * caller only: it then has to try. */
bool server_state_may_retry(struct server_state *state, int64_t pause_ms, int64_t now_ms);

/* Whether server_state_may_retry() would be true now. */
bool server_state_is_retry_due(const struct server_state *state, int64_t pause_ms, int64_t now_ms);

/* ---- counts ---- */

/* Counts a session at the server, which may have `max` (0: no limit). Returns false, and counts
 * nothing, where it has them. Ending one that was not begun leaves the count at 0. */
bool server_state_begin_session(struct server_state *state, unsigned max);
void server_state_end_session(struct server_state *state);

/* The same for a login under way. Where others wait for their turn it returns false as well. */
bool server_state_begin_login(struct server_state *state, unsigned max);
void server_state_end_login(struct server_state *state);

/* The server has as many sessions. */
bool server_state_is_full(const struct server_state *state, unsigned max);

/* The part of its users, from 0 to 1, that a server takes which came back within `slow_start_ms`. It
 * grows with the time. */
double server_state_share(const struct server_state *state, int64_t slow_start_ms, int64_t now_ms);

/* ---- waiting for the turn to log in ---- */

/* Takes a ticket. */
uint32_t server_state_join(struct server_state *state, int64_t now_ms);

/* Begins the login if it is the ticket's turn and fewer than `max` are under way; the ticket is used
 * up then. Otherwise call it again after *pause_ms_r, at most SERVER_QUEUE_PAUSE_MS. */
bool server_state_try_turn(struct server_state *state, uint32_t ticket, unsigned max,
                           int64_t now_ms, int64_t *pause_ms_r);
enum { SERVER_QUEUE_PAUSE_MS = 100 };

/* Gives the ticket back. */
void server_state_leave(struct server_state *state, uint32_t ticket, int64_t now_ms);

unsigned server_state_sessions(const struct server_state *state);

#endif
