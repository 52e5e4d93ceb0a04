/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Written as it should be, read as if anybody had written it.
 */
#include "route/server_state.h"

enum { COUNT_MAX = 1 << 24 }; /* a larger count of sessions is not true */

/* The values of `check`. */
enum { CHECK_NONE, CHECK_GOOD, CHECK_FAILED };

/* What stands for a server without a state. */
static const struct server_state untouched;

static const struct server_state *readable(const struct server_state *state)
{
    return state == NULL ? &untouched : state;
}

/* ---- words ---- */

const char *server_failure_word(enum server_failure failure)
{
    static const char *const words[SERVER_FAILURE_COUNT] = {
#define SERVER_FAILURE(name, word, help) word,
#include "route/server_failure.def"
#undef SERVER_FAILURE
    };

    return (unsigned)failure < SERVER_FAILURE_COUNT ? words[failure] : "unknown";
}

const char *server_state_word(const struct server_report *report)
{
    if (report->is_drained)
        return "drained";
    return report->is_down ? "down" : "up";
}

/* ---- reading ---- */

static unsigned bounded(const _Atomic uint32_t *count)
{
    uint32_t number = atomic_load_explicit(count, memory_order_relaxed);

    return number < COUNT_MAX ? number : COUNT_MAX;
}

/* How long ago it was: from 0 to `now_ms`. */
static int64_t age(int64_t then_ms, int64_t now_ms)
{
    if (then_ms < 0)
        return now_ms;
    return then_ms > now_ms ? 0 : now_ms - then_ms;
}

static void read_check(const struct server_state *state, int64_t now_ms, struct server_report *report)
{
    uint32_t check = atomic_load(&state->check);
    int64_t check_us = atomic_load(&state->check_us);

    report->is_checked = check != CHECK_NONE;
    report->is_check_good = check == CHECK_GOOD;
    report->check_failure = check >= CHECK_FAILED && check - CHECK_FAILED < SERVER_FAILURE_COUNT
                               ? (enum server_failure)(check - CHECK_FAILED)
                               : SERVER_FAILURE_COUNT;
    report->check_age_ms = age(atomic_load(&state->checked_ms), now_ms);
    report->check_us = check_us > 0 ? check_us : 0;
}

void server_state_read(const struct server_state *state, int64_t now_ms, struct server_report *report)
{
    state = readable(state);
    *report = (struct server_report){
        .is_down = atomic_load(&state->is_down) != 0,
        .is_drained = atomic_load(&state->is_drained) != 0,
        .has_changed = atomic_load(&state->since_ms) != 0,
        .age_ms = age(atomic_load(&state->since_ms), now_ms),
        .sessions = bounded(&state->sessions),
        .logins = bounded(&state->logins),
        .waiting = bounded(&state->waiting),
        .failed = bounded(&state->failed),
    };
    read_check(state, now_ms, report);
    for (size_t i = 0; i < SERVER_FAILURE_COUNT; i++)
        report->failures[i] = atomic_load(&state->failures[i]);
}

bool server_state_is_down(const struct server_state *state)
{
    return atomic_load_explicit(&readable(state)->is_down, memory_order_relaxed) != 0;
}

bool server_state_is_drained(const struct server_state *state)
{
    return atomic_load_explicit(&readable(state)->is_drained, memory_order_relaxed) != 0;
}

/* ---- notes ---- */

/* Of two processes that find the same at once, one learns that it is new. */
static enum server_change set_down(struct server_state *state, int64_t now_ms)
{
    atomic_store(&state->retried_ms, now_ms);
    if (atomic_exchange(&state->is_down, 1) != 0)
        return SERVER_UNCHANGED;
    atomic_store(&state->since_ms, now_ms);
    atomic_store(&state->checks_good, 0);
    return SERVER_WENT_DOWN;
}

/* The time comes first: whoever sees the server up begins its slow start. */
static enum server_change set_up(struct server_state *state, int64_t now_ms)
{
    atomic_store(&state->since_ms, now_ms);
    atomic_store(&state->failed, 0);
    atomic_store(&state->checks_failed, 0);
    return atomic_exchange(&state->is_down, 0) == 0 ? SERVER_UNCHANGED : SERVER_CAME_UP;
}

static unsigned count_one_more(_Atomic uint32_t *count)
{
    unsigned number = bounded(count);

    if (number < COUNT_MAX)
        atomic_store(count, ++number);
    return number;
}

enum server_change server_state_fail(struct server_state *state, enum server_failure failure,
                                     int64_t fall, int64_t now_ms)
{
    uint32_t failed;

    if (state == NULL || (unsigned)failure >= SERVER_FAILURE_COUNT)
        return SERVER_UNCHANGED;
    atomic_fetch_add(&state->failures[failure], 1);
    failed = atomic_fetch_add(&state->failed, 1) + 1;
    return failed >= fall || server_state_is_down(state) ? set_down(state, now_ms)
                                                         : SERVER_UNCHANGED;
}

enum server_change server_state_succeed(struct server_state *state, bool may_come_up,
                                        int64_t now_ms)
{
    if (state == NULL)
        return SERVER_UNCHANGED;
    /* Written only if it changes: all workers read this memory at each login. */
    if (atomic_load_explicit(&state->failed, memory_order_relaxed) != 0)
        atomic_store(&state->failed, 0);
    return may_come_up && server_state_is_down(state) ? set_up(state, now_ms) : SERVER_UNCHANGED;
}

static enum server_change take_good_check(struct server_state *state, int64_t rise, int64_t now_ms)
{
    unsigned good = count_one_more(&state->checks_good);

    atomic_store(&state->check, CHECK_GOOD);
    atomic_store(&state->checks_failed, 0);
    return good >= rise && server_state_is_down(state) ? set_up(state, now_ms) : SERVER_UNCHANGED;
}

static enum server_change take_bad_check(struct server_state *state, enum server_failure failure,
                                         int64_t fall, int64_t now_ms)
{
    unsigned failed = count_one_more(&state->checks_failed);

    atomic_store(&state->check, CHECK_FAILED + (uint32_t)failure);
    atomic_store(&state->checks_good, 0);
    atomic_fetch_add(&state->failures[failure], 1);
    return failed >= fall ? set_down(state, now_ms) : SERVER_UNCHANGED;
}

enum server_change server_state_check(struct server_state *state, enum server_failure failure,
                                      int64_t check_us, int64_t fall, int64_t rise, int64_t now_ms)
{
    if (state == NULL)
        return SERVER_UNCHANGED;
    atomic_store(&state->checked_ms, now_ms);
    atomic_store(&state->check_us, check_us);
    return (unsigned)failure >= SERVER_FAILURE_COUNT ? take_good_check(state, rise, now_ms)
                                                     : take_bad_check(state, failure, fall, now_ms);
}

bool server_state_set_drained(struct server_state *state, bool is_drained, int64_t now_ms)
{
    bool was_drained = server_state_is_drained(state);

    if (state == NULL || was_drained == is_drained)
        return false;
    atomic_store(&state->since_ms, now_ms);
    atomic_store(&state->is_drained, is_drained);
    return true;
}

bool server_state_is_retry_due(const struct server_state *state, int64_t pause_ms, int64_t now_ms)
{
    int64_t retried_ms = atomic_load(&readable(state)->retried_ms);

    return retried_ms > now_ms || retried_ms < 0 || now_ms - retried_ms >= pause_ms;
}

bool server_state_may_retry(struct server_state *state, int64_t pause_ms, int64_t now_ms)
{
    int64_t retried_ms;

    if (state == NULL)
        return true;
    retried_ms = atomic_load(&state->retried_ms);
    return server_state_is_retry_due(state, pause_ms, now_ms) &&
           atomic_compare_exchange_strong(&state->retried_ms, &retried_ms, now_ms);
}

/* ---- counts ---- */

static void add(_Atomic uint32_t *count)
{
    uint32_t number = atomic_load(count);

    while (number < COUNT_MAX && !atomic_compare_exchange_weak(count, &number, number + 1))
        ;
}

static void take_off(_Atomic uint32_t *count)
{
    uint32_t number = atomic_load(count);

    while (number > 0 && !atomic_compare_exchange_weak(
                             count, &number, (number < COUNT_MAX ? number : COUNT_MAX) - 1))
        ;
}

void server_state_begin_session(struct server_state *state)
{
    if (state != NULL)
        add(&state->sessions);
}

void server_state_end_session(struct server_state *state)
{
    if (state != NULL)
        take_off(&state->sessions);
}

void server_state_begin_login(struct server_state *state)
{
    if (state != NULL)
        add(&state->logins);
}

void server_state_end_login(struct server_state *state)
{
    if (state != NULL)
        take_off(&state->logins);
}

unsigned server_state_sessions(const struct server_state *state)
{
    return bounded(&readable(state)->sessions);
}
