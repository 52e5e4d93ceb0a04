/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a pool wants to know of a session, written where the master and the status process read it.
 */
#include "pool/place.h"

#include "base/clock.h"
#include "io/wait.h"
#include "pool/account.h"

static void give_share_back(struct place *place)
{
    uint64_t key = atomic_exchange(&place->slot->account, 0);

    if (key != 0)
        account_give_place_back(place->pool->memory->accounts, key);
}

/* ---- while it runs ---- */

static enum outcome admit(void *context, const struct session *session)
{
    struct place *place = context;
    struct account_table *accounts = place->pool->memory->accounts;
    const struct conf_values *values = place->pool->instance->values;
    uint64_t key = address_account_key(&session->client_address);
    int64_t now_ms = clock_now_ms();
    char client[ADDRESS_TEXT_SIZE];

    scoreboard_write_texts(place->slot, session->id,
                           address_host_text(&session->client_address, client), "", "");
    if (!account_may_try(accounts, key, (int)values->login_failures, 0, now_ms))
        return OUTCOME_TOO_MANY_FAILURES;
    if (!account_take_place(accounts, key, (int)values->max_per_ip, now_ms))
        return OUTCOME_TOO_MANY_PER_IP;
    atomic_store(&place->slot->account, key);
    return OUTCOME_NONE;
}

static enum outcome may_log_in(void *context, const struct session *session)
{
    struct place *place = context;
    bool may_try = account_may_try(
        place->pool->memory->accounts, address_account_key(&session->client_address),
        (int)place->pool->instance->values->login_failures, 1, clock_now_ms());

    return may_try ? OUTCOME_NONE : OUTCOME_TOO_MANY_FAILURES;
}

static void logged_in(struct place *place)
{
    atomic_store(&place->slot->is_logged_in, true);
    if (place->is_shed && !place->is_stopping)
        wait_clear_stop(); /* asked too late: who has logged in stays */
    place->is_shed = 0;
    give_share_back(place);
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
    atomic_store(&slot->stage, stage);
    scoreboard_write_texts(slot, NULL, NULL, session->user, session_server_text(session, server));
    if (stage == SESSION_STAGE_RELAY)
        logged_in(place);
}

static bool is_session_shed(void *context)
{
    const struct place *place = context;

    return place->is_shed && !place->is_stopping;
}

/* ---- from begin to end ---- */

void place_init(struct place *place, struct pool *pool, struct scoreboard_slot *slot)
{
    *place = (struct place){.pool = pool,
                            .slot = slot,
                            .watch = {.context = place,
                                      .admit = admit,
                                      .may_log_in = may_log_in,
                                      .progress = progress,
                                      .is_shed = is_session_shed}};
}

void place_begin(struct place *place)
{
    struct scoreboard_slot *slot = place->slot;

    place->is_shed = 0;
    if (!place->is_stopping)
        wait_clear_stop();
    atomic_fetch_add(&slot->session, 1);
    atomic_store(&slot->is_logged_in, 0);
    atomic_store(&slot->stage, SESSION_STAGE_LOGIN);
    atomic_store(&slot->octets, 0);
    atomic_store(&slot->started_ms, clock_now_ms());
    scoreboard_add(&place->pool->scoreboard->accepted, 1);
    scoreboard_add(&place->pool->memory->totals->sessions, 1);
}

static void count_session(struct place *place, const struct session *session, enum outcome outcome)
{
    struct scoreboard_totals *totals = place->pool->memory->totals;

    scoreboard_add(&totals->octets, session->reply_octets);
    scoreboard_add(&totals->retrieved, session->retrieved);
    scoreboard_add(&totals->deleted, session->deleted);
    scoreboard_add(&totals->refused, session->refused);
    scoreboard_add(&totals->outcomes[outcome], 1);
    if (outcome_is_failed_login(outcome))
        account_count_failure(place->pool->memory->accounts,
                              address_account_key(&session->client_address), clock_now_ms());
}

void place_end(struct place *place, const struct session *session, enum outcome outcome)
{
    count_session(place, session, outcome);
    give_share_back(place);
    atomic_store(&place->slot->started_ms, clock_now_ms());
}

bool place_shed(struct place *place)
{
    const struct scoreboard_slot *slot = place->slot;

    if (atomic_load(&slot->shed_session) != atomic_load(&slot->session) ||
        atomic_load(&slot->is_logged_in))
        return false;
    place->is_shed = 1;
    return true;
}
