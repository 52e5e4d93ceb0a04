/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Written for the master and the status process, which read the slot, and for all workers, which
 * share the account table.
 */
#include "pool/place.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "base/log.h"
#include "io/wait.h"
#include "pool/account.h"
#include "pool/hold.h"
#include "pool/quota.h"
#include "pool/trace_mark.h"

static struct account_table *accounts_of(const struct place *place)
{
    return place->pool->memory->accounts;
}

static uint64_t key_of(const struct session *session)
{
    return address_account_key(&session->client_address);
}

static void end_attempt(struct place *place, bool has_failed)
{
    struct scoreboard_slot *slot = place->slot;

    if (atomic_load(&slot->login) != SCOREBOARD_LOGIN_UNDER_WAY)
        return;
    account_end_attempt(accounts_of(place), atomic_load(&slot->account), has_failed,
                        clock_now_ms());
    atomic_store(&slot->login, SCOREBOARD_LOGIN_NONE);
}

static void give_back(struct place *place)
{
    uint64_t key = atomic_load(&place->slot->account);

    if (key == 0)
        return;
    account_give_place_back(accounts_of(place), key);
    atomic_store(&place->slot->account, 0);
}

/* ---- while it runs ---- */

static void log_crowded(const struct place *place)
{
    enum { LOG_EVERY_MS = 10000 };
    _Atomic int64_t *said_ms = &place->pool->memory->totals->crowded_said_ms;
    int64_t now_ms = clock_now_ms();
    int64_t last_ms = atomic_load(said_ms);

    if (now_ms - last_ms >= LOG_EVERY_MS &&
        atomic_compare_exchange_strong(said_ms, &last_ms, now_ms))
        log_message(EVENT_ACCOUNTS_FULL,
                    "instance %s: failed logins from many addresses; new addresses are refused",
                    place->pool->instance->section.name);
}

/* As in quota.c, the slot says what is counted before it is, and until it is given back. */
static enum account_answer count_place(struct place *place, const struct session *session)
{
    const struct pool *pool = place->pool;
    int limit = quota_is_exempt(pool, session) ? 0 : (int)pool->instance->values->max_per_ip;
    enum account_answer answer;

    atomic_store(&place->slot->account, key_of(session));
    answer = account_take_place(accounts_of(place), key_of(session), limit, clock_now_ms());
    if (answer != ACCOUNT_GRANTED)
        atomic_store(&place->slot->account, 0);
    return answer;
}

/* Counts the session for its address, unless that is done already. */
static enum outcome take_place(struct place *place, const struct session *session)
{
    if (atomic_load(&place->slot->account) != 0)
        return OUTCOME_NONE;
    switch (count_place(place, session)) {
    case ACCOUNT_GRANTED:
    case ACCOUNT_UNCOUNTED:
        return OUTCOME_NONE;
    case ACCOUNT_REFUSED:
        return OUTCOME_TOO_MANY_PER_IP;
    case ACCOUNT_CROWDED:
        log_crowded(place);
        return OUTCOME_TOO_MANY_FAILURES;
    case ACCOUNT_WAIT:
        break;
    }
    return OUTCOME_INTERNAL;
}

static int failure_limit(const struct place *place)
{
    return (int)place->pool->instance->values->login_failures;
}

static int64_t queue_timeout_ms(const struct place *place)
{
    return place->pool->instance->values->queue_timeout * 1000;
}

static enum outcome admit(void *context, const struct session *session)
{
    struct place *place = context;
    char client[ADDRESS_TEXT_SIZE];

    scoreboard_write_texts(place->slot, session->id,
                           address_host_text(&session->client_address, client), "", "");
    if (queue_timeout_ms(place) > 0 && place->waited_ms > queue_timeout_ms(place))
        return OUTCOME_QUEUE_TIMEOUT;
    if (account_is_locked(accounts_of(place), key_of(session), failure_limit(place),
                          clock_now_ms()))
        return OUTCOME_TOO_MANY_FAILURES;
    return take_place(place, session);
}

static enum account_answer begin_attempt(struct place *place, const struct session *session)
{
    enum account_answer answer;

    atomic_store(&place->slot->login, SCOREBOARD_LOGIN_UNDER_WAY);
    answer = account_begin_attempt(accounts_of(place), key_of(session), failure_limit(place),
                                   clock_now_ms());
    if (answer != ACCOUNT_GRANTED)
        atomic_store(&place->slot->login, SCOREBOARD_LOGIN_NONE);
    return answer;
}

/* As many attempts of the address are under way as may fail: waits until one of them has ended. It
 * asks often at first, as most servers answer soon. */
static enum outcome wait_for_turn(struct place *place, const struct session *session,
                                  enum account_answer *answer_r)
{
    enum { PAUSE_MIN_MS = 2, PAUSE_MAX_MS = 64 };
    enum io_status status = IO_DEADLINE;

    for (int pause_ms = PAUSE_MIN_MS; *answer_r == ACCOUNT_WAIT && status == IO_DEADLINE;
         pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS) {
        if (clock_now_ms() >= session->login_deadline_ms)
            return OUTCOME_LOGIN_TIMEOUT;
        status = wait_for(NULL, 0, clock_after_ms(pause_ms));
        *answer_r = begin_attempt(place, session);
    }
    return client_outcome(status == IO_DEADLINE ? IO_OK : status, OUTCOME_LOGIN_TIMEOUT);
}

/* A second attempt of the same session follows one that has failed. */
static enum outcome may_log_in(void *context, const struct session *session)
{
    struct place *place = context;
    enum outcome outcome = take_place(place, session);
    enum account_answer answer;

    place->login_us = clock_now_us();
    end_attempt(place, true);
    if (outcome != OUTCOME_NONE)
        return outcome;
    if (quota_is_address_full(place->pool, session))
        return OUTCOME_TOO_MANY_SESSIONS_PER_IP;
    answer = begin_attempt(place, session);
    outcome = wait_for_turn(place, session, &answer);
    if (outcome != OUTCOME_NONE)
        return outcome;
    return answer == ACCOUNT_REFUSED ? OUTCOME_TOO_MANY_FAILURES : OUTCOME_NONE;
}

static void login_refused(void *context, bool has_failed)
{
    end_attempt(context, has_failed);
}

/* ---- durations ---- */

/* The session leaves a stage for another one. */
static void measure(struct place *place, int left, int entered)
{
    struct scoreboard_totals *totals = place->pool->memory->totals;
    int64_t now_us = clock_now_us();
    bool is_connecting = entered == SESSION_STAGE_RESOLVE || entered == SESSION_STAGE_CONNECT;

    if (left == SESSION_STAGE_ROUTE)
        histogram_add(&totals->route_time, HISTOGRAM_FAST, now_us - place->stage_us);
    if (is_connecting && place->connect_us == 0)
        place->connect_us = now_us;
    if (left == SESSION_STAGE_CONNECT && entered == SESSION_STAGE_SERVER_LOGIN)
        histogram_add(&totals->connect_time, HISTOGRAM_FAST, now_us - place->connect_us);
    if (!is_connecting)
        place->connect_us = 0;
    if (entered == SESSION_STAGE_RELAY)
        histogram_add(&totals->login_time, HISTOGRAM_FAST, now_us - place->login_us);
    place->stage_us = now_us;
}

/* ---- progress ---- */

static enum outcome log_in(void *context, const struct session *session)
{
    const struct place *place = context;

    return quota_take(place->pool, place->slot, session);
}

static void logged_in(struct place *place)
{
    end_attempt(place, false);
    atomic_store(&place->slot->login, SCOREBOARD_LOGIN_DONE);
    if (place->is_shed && !place->is_kicked && !place->is_stopping)
        wait_clear_stop(); /* asked too late: a session that has logged in stays */
    place->is_shed = 0;
    give_back(place);
    scoreboard_add(&place->pool->memory->totals->logins, 1);
}

static void progress(void *context, const struct session *session)
{
    struct place *place = context;
    struct scoreboard_slot *slot = place->slot;
    int stage = (int)session->stage;
    char server[SESSION_SERVER_SIZE];

    atomic_store_explicit(&slot->octets, session->reply_octets, memory_order_relaxed);
    if (atomic_load_explicit(&slot->stage, memory_order_relaxed) == stage)
        return;
    measure(place, atomic_load_explicit(&slot->stage, memory_order_relaxed), stage);
    atomic_store(&slot->stage, stage);
    scoreboard_write_texts(slot, NULL, NULL, session->user, session_server_text(session, server));
    if (stage == SESSION_STAGE_RELAY)
        logged_in(place);
}

/* So that the master can give it back if this worker dies. */
static void claim(void *context, const struct session *session)
{
    struct scoreboard_slot *slot = ((struct place *)context)->slot;

    atomic_store(&slot->is_server_login, session->claim.is_login);
    atomic_store(&slot->staying_user, session->claim.is_staying ? session->route.login.user : 0);
    atomic_store(&slot->server, session->claim.number);
}

static enum outcome why_stopped(void *context)
{
    const struct place *place = context;

    if (place->is_stopping)
        return OUTCOME_STOPPED;
    if (place->is_kicked)
        return OUTCOME_KICKED;
    return place->is_shed ? OUTCOME_SHED : OUTCOME_STOPPED;
}

/* Store the names in the slot first, then read the list of holds. An operator holds a user first and
 * then kicks his sessions. Each session then either sees the hold and waits, or the kick finds its
 * name in the slot. */
static bool is_held(void *context, const struct session *session)
{
    struct scoreboard_slot *slot = ((struct place *)context)->slot;
    int64_t now_ms = clock_now_ms();

    atomic_store(&slot->typed_name, session->typed_name);
    atomic_store(&slot->sent_name, session->sent_name);
    return hold_is_held(session->typed_name, now_ms) || hold_is_held(session->sent_name, now_ms);
}

/* ---- traces ---- */

static uint32_t traced_by(void *context, const struct session *session)
{
    char client[ADDRESS_TEXT_SIZE];
    uint64_t names[3];

    (void)context;
    if (!trace_marks_are_any())
        return 0;
    names[0] = session->typed_name;
    names[1] = session->sent_name;
    names[2] = hash_text_nocase(address_host_text(&session->client_address, client));
    return trace_marks_find(names, sizeof(names) / sizeof(names[0]));
}

static bool tell(void *context, uint32_t marks, const char *line, size_t length)
{
    (void)context;
    return trace_send(marks, line, length);
}

/* ---- from begin to end ---- */

void place_init(struct place *place, struct pool *pool, struct scoreboard_slot *slot)
{
    *place = (struct place){.pool = pool,
                            .slot = slot,
                            .watch = {.context = place,
                                      .admit = admit,
                                      .may_log_in = may_log_in,
                                      .log_in = log_in,
                                      .login_refused = login_refused,
                                      .progress = progress,
                                      .claim = claim,
                                      .is_held = is_held,
                                      .traced_by = traced_by,
                                      .tell = tell,
                                      .why_stopped = why_stopped}};
}

/* The names go before the number changes: a process that reads the new number never finds the names
 * of the session before. A signal that comes in between has no effect. It is sent again while the
 * session that it is for lasts. */
static void take_number(struct place *place)
{
    struct scoreboard_slot *slot = place->slot;

    place->is_changing = 1;
    atomic_store(&slot->typed_name, 0);
    atomic_store(&slot->sent_name, 0);
    scoreboard_write_texts(slot, "", "", "", "");
    atomic_fetch_add(&slot->session, 1);
    place->is_shed = 0;
    place->is_kicked = 0;
    if (!place->is_stopping)
        wait_clear_stop();
    place->is_changing = 0;
}

void place_begin(struct place *place, int fd)
{
    struct scoreboard_slot *slot = place->slot;

    take_number(place);
    place->waited_ms = queue_timeout_ms(place) == 0 ? -1 : listener_waited_ms(fd);
    atomic_store(&slot->login, SCOREBOARD_LOGIN_NONE);
    atomic_store(&slot->stage, SESSION_STAGE_LOGIN);
    atomic_store(&slot->octets, 0);
    atomic_store(&slot->started_ms, clock_now_ms());
    scoreboard_add(&place->pool->scoreboard->accepted, 1);
    scoreboard_add(&place->pool->memory->totals->sessions, 1);
}

/* `version` is that of a handshake that succeeded: "TLSv1.3"; empty without TLS. */
static void count_handshake(struct scoreboard_totals *totals, enum scoreboard_side side,
                            const char *version)
{
    for (int i = 0; i < SCOREBOARD_TLS_VERSIONS; i++)
        if (strcmp(scoreboard_tls_versions[i], version) == 0)
            scoreboard_add(&totals->handshakes[side][i], 1);
}

static void count_session(struct place *place, const struct session *session, enum outcome outcome)
{
    struct scoreboard_totals *totals = place->pool->memory->totals;

    if (session->stage == SESSION_STAGE_ROUTE)
        measure(place, SESSION_STAGE_ROUTE, SESSION_STAGE_ROUTE);
    scoreboard_add(&totals->octets, session->reply_octets);
    scoreboard_add(&totals->retrieved, session->retrieved);
    scoreboard_add(&totals->deleted, session->deleted);
    scoreboard_add(&totals->refused, session->refused);
    scoreboard_add(&totals->outcomes[outcome], 1);
    histogram_add(&totals->session_time, HISTOGRAM_SLOW,
                  (clock_now_ms() - session->started_ms) * 1000);
    count_handshake(totals, SCOREBOARD_OF_CLIENT, session->client_tls.version);
    count_handshake(totals, SCOREBOARD_OF_SERVER, session->server_tls.version);
}

/* Its password was tried, but the pool did not wait for the answer. Otherwise an attacker that
 * holds all places could have a new password tried whenever a session is shed. */
static bool is_shed_in_login(const struct session *session, enum outcome outcome)
{
    return outcome == OUTCOME_SHED && session->is_login_sent;
}

static bool has_failed(const struct session *session, enum outcome outcome)
{
    return outcome_is_failed_login(outcome) || is_shed_in_login(session, outcome) ||
           (session->is_password_tried && outcome_is_failed_password(outcome));
}

void place_end(struct place *place, const struct session *session, enum outcome outcome)
{
    count_session(place, session, outcome);
    end_attempt(place, has_failed(session, outcome));
    give_back(place);
    atomic_store(&place->slot->kicked_session, 0);
    quota_give_back(place->pool->memory, place->slot);
    atomic_store(&place->slot->started_ms, clock_now_ms());
}

/* A session that has logged in stays where only room is wanted. */
static bool is_to_be_shed(const struct scoreboard_slot *slot)
{
    return atomic_load(&slot->shed_session) == atomic_load(&slot->session) &&
           atomic_load(&slot->login) != SCOREBOARD_LOGIN_DONE;
}

bool place_is_told(struct place *place)
{
    bool was_told = place->is_shed || place->is_kicked || place->is_stopping;

    if (was_told || place->is_changing)
        return false;
    if (scoreboard_is_kicked(place->slot))
        place->is_kicked = 1;
    else if (is_to_be_shed(place->slot))
        place->is_shed = 1;
    else
        return false;
    return true;
}
