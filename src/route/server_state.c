/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Written as it should be, read as if anybody had written it.
 */
#include "route/server_state.h"

enum {
    COUNT_MAX = 1 << 24, /* no count of sessions is as large */
    ALIVE_MS = 1000,     /* a place in the queue that was not visited for longer is passed over */
    NEAR = 64,           /* so many of the queue check often whether it is their turn */
    NEAR_PAUSE_MS = 10,
};

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

/* A count of sessions or logins. One that cannot be true is 0: it would close the server for as long as
 * the memory lasts. */
static uint32_t true_count(uint32_t number)
{
    return number < COUNT_MAX ? number : 0;
}

static uint32_t read_count(const _Atomic uint32_t *count)
{
    return true_count(atomic_load_explicit(count, memory_order_relaxed));
}

/* How long ago it was: from 0 to `now_ms`. */
static int64_t age(int64_t then_ms, int64_t now_ms)
{
    if (then_ms < 0)
        return now_ms;
    return then_ms > now_ms ? 0 : now_ms - then_ms;
}

/* The octets of a time that a place in the queue has; never 0. */
static uint32_t mark_of(int64_t now_ms)
{
    uint32_t mark = (uint32_t)now_ms;

    return mark == 0 ? 1 : mark;
}

/* Somebody has been at this place lately. */
static bool is_alive(const struct server_state *state, uint32_t ticket, int64_t now_ms)
{
    uint32_t mark = atomic_load(&state->queue[ticket % SERVER_QUEUE]);

    return mark != 0 && mark_of(now_ms) - mark <= ALIVE_MS;
}

static unsigned count_waiting(const struct server_state *state, int64_t now_ms)
{
    uint32_t first = atomic_load(&state->turn);
    uint32_t length = atomic_load(&state->next_ticket) - first;
    unsigned count = 0;

    for (uint32_t i = 0; i < length && i < SERVER_QUEUE; i++)
        count += is_alive(state, first + i, now_ms);
    return count;
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
        .sessions = read_count(&state->sessions),
        .logins = read_count(&state->logins),
        .waiting = count_waiting(state, now_ms),
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

/* Store the time first: a worker that sees the server up reads the time to begin its slow start. */
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

/* Another process may have read the clock after this one. A time further ahead is not true. */
bool server_state_is_retry_due(const struct server_state *state, int64_t pause_ms, int64_t now_ms)
{
    int64_t retried_ms = atomic_load(&readable(state)->retried_ms);

    return retried_ms < 0 || retried_ms - now_ms > pause_ms || now_ms - retried_ms >= pause_ms;
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

/* `max` is 0 for no limit. */
static bool add(_Atomic uint32_t *count, unsigned max)
{
    uint32_t number = atomic_load(count);

    do {
        if (max != 0 && true_count(number) >= max)
            return false;
    } while (!atomic_compare_exchange_weak(count, &number, true_count(number) + 1));
    return true;
}

static void take_off(_Atomic uint32_t *count)
{
    uint32_t number = atomic_load(count);

    while (number > 0 &&
           !atomic_compare_exchange_weak(count, &number,
                                         true_count(number) > 0 ? number - 1 : 0))
        ;
}

bool server_state_begin_session(struct server_state *state, unsigned max)
{
    return state == NULL || add(&state->sessions, max);
}

void server_state_end_session(struct server_state *state)
{
    if (state != NULL)
        take_off(&state->sessions);
}

bool server_state_begin_login(struct server_state *state, unsigned max)
{
    if (state == NULL)
        return true;
    if (max != 0 && atomic_load(&state->turn) != atomic_load(&state->next_ticket))
        return false;
    return add(&state->logins, max);
}

void server_state_end_login(struct server_state *state)
{
    if (state != NULL)
        take_off(&state->logins);
}

unsigned server_state_sessions(const struct server_state *state)
{
    return read_count(&readable(state)->sessions);
}

bool server_state_is_full(const struct server_state *state, unsigned max)
{
    return max != 0 && server_state_sessions(state) >= max;
}

double server_state_share(const struct server_state *state, int64_t slow_start_ms, int64_t now_ms)
{
    int64_t since_ms = atomic_load_explicit(&readable(state)->since_ms, memory_order_relaxed);

    if (since_ms == 0 || slow_start_ms == 0 || age(since_ms, now_ms) >= slow_start_ms)
        return 1;
    return (double)age(since_ms, now_ms) / (double)slow_start_ms;
}

/* ---- waiting for the turn ---- */

uint32_t server_state_join(struct server_state *state, int64_t now_ms)
{
    uint32_t ticket = atomic_fetch_add(&state->next_ticket, 1);

    if (ticket - atomic_load(&state->turn) < SERVER_QUEUE)
        atomic_store(&state->queue[ticket % SERVER_QUEUE], mark_of(now_ms));
    return ticket;
}

/* Passes over those who have gone. */
static void move_on(struct server_state *state, int64_t now_ms)
{
    for (int i = 0; i < SERVER_QUEUE; i++) {
        uint32_t turn = atomic_load(&state->turn);

        if (turn == atomic_load(&state->next_ticket) || is_alive(state, turn, now_ms))
            return;
        (void)atomic_compare_exchange_strong(&state->turn, &turn, turn + 1);
    }
}

/* How many stand before the ticket; 0 as well for one that was passed over, which has waited longest.
 * A number that cannot be is mended: a broken worker has written it. */
static uint32_t count_before(struct server_state *state, uint32_t ticket)
{
    uint32_t before = ticket - atomic_load(&state->turn);

    if (before > UINT32_MAX / 2)
        return 0;
    if (before < COUNT_MAX)
        return before;
    atomic_store(&state->turn, ticket);
    return 0;
}

bool server_state_try_turn(struct server_state *state, uint32_t ticket, unsigned max,
                           int64_t now_ms, int64_t *pause_ms_r)
{
    uint32_t before = count_before(state, ticket);
    unsigned logins = read_count(&state->logins);

    if (before < SERVER_QUEUE)
        atomic_store(&state->queue[ticket % SERVER_QUEUE], mark_of(now_ms));
    move_on(state, now_ms);
    before = count_before(state, ticket);
    *pause_ms_r = before < NEAR ? NEAR_PAUSE_MS : SERVER_QUEUE_PAUSE_MS;
    if (logins >= max || before >= max - logins || !add(&state->logins, max))
        return false;
    server_state_leave(state, ticket, now_ms);
    return true;
}

void server_state_leave(struct server_state *state, uint32_t ticket, int64_t now_ms)
{
    if (count_before(state, ticket) < SERVER_QUEUE)
        atomic_store(&state->queue[ticket % SERVER_QUEUE], 0);
    move_on(state, now_ms);
}
