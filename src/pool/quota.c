/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each count is written into the slot before it is taken, and erased after it is given back. A
 * worker that is killed in between leaves a count that is given back once too often: that is made
 * good when the address or user has no session any more. The other order would leave a count that
 * nobody ever gives back.
 */
#include "pool/quota.h"

#include "base/clock.h"
#include "base/hash.h"
#include "pool/pool.h"

/* ---- what is counted ---- */

bool quota_is_exempt(const struct pool *pool, const struct session *session)
{
    const struct conf_instance *instance = pool->instance;

    return address_is_in_networks(instance->exempt, instance->exempt_count,
                                  &session->client_address);
}

/* 0: there is no limit. */
static uint64_t address_key(const struct pool *pool, const struct session *session)
{
    if (pool->instance->values->max_sessions_per_ip == 0 || quota_is_exempt(pool, session))
        return 0;
    return address_account_key(&session->client_address);
}

/* Many servers take "Joe" for "joe". One that does not counts two users as one. 0: there is no limit. */
static uint64_t user_key(const struct conf_values *values, const struct session *session)
{
    char server[SESSION_SERVER_SIZE];
    uint64_t key;

    if (values->max_sessions_per_user == 0)
        return 0;
    key = hash_number(hash_text_nocase(session->credentials.user)) ^
          hash_text_nocase(session_server_text(session, server));

    return key == 0 ? 1 : key;
}

/* ---- counting ---- */

static void give_back(struct account_table *table, _Atomic uint64_t *key)
{
    uint64_t counted = atomic_load(key);

    if (counted == 0)
        return;
    account_give_place_back(table, counted);
    atomic_store(key, 0);
}

/* Returns whether the limit permits it. A key of 0 has none. */
static bool take(struct account_table *table, _Atomic uint64_t *slot_key, uint64_t key,
                 int64_t limit)
{
    enum account_answer answer;

    if (key == 0)
        return true;
    atomic_store(slot_key, key);
    answer = account_take_place(table, key, (int)limit, clock_now_ms());
    if (answer != ACCOUNT_GRANTED)
        atomic_store(slot_key, 0);
    return answer != ACCOUNT_REFUSED;
}

bool quota_is_address_full(const struct pool *pool, const struct session *session)
{
    int64_t limit = pool->instance->values->max_sessions_per_ip;
    uint64_t key = address_key(pool, session);

    return key != 0 && account_places(pool->memory->sessions, key) >= limit;
}

enum outcome quota_take(const struct pool *pool, struct scoreboard_slot *slot,
                        const struct session *session)
{
    const struct conf_values *values = pool->instance->values;
    struct account_table *table = pool->memory->sessions;

    if (!take(table, &slot->session_address, address_key(pool, session),
              values->max_sessions_per_ip))
        return OUTCOME_TOO_MANY_SESSIONS_PER_IP;
    if (!take(table, &slot->session_user, user_key(values, session),
              values->max_sessions_per_user))
        return OUTCOME_TOO_MANY_SESSIONS_PER_USER;
    return OUTCOME_NONE;
}

void quota_give_back(const struct instance_memory *memory, struct scoreboard_slot *slot)
{
    give_back(memory->sessions, &slot->session_address);
    give_back(memory->sessions, &slot->session_user);
}
