/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small table, indexed by a hash of the server. An entry is two words that are written one after
 * the other without a lock. The first is the key, combined with the second by exclusive or: if two
 * processes write at once, the words do not belong together, and the entry fits no key.
 */
#include "session/known_servers.h"

#include <stddef.h>

#include "base/hash.h"
#include "pop3/sasl.h"

/* A value: the time in seconds until which it counts, and the facts. */
enum {
    FACT_BITS = 16,
    HAS_CAPA = 1,
    HAS_PIPELINING = 2,
    ANSWERS_ONCE = 4,
    TAKES_RESPONSE = 8,
    MECHANISM_SHIFT = 4
};
_Static_assert(MECHANISM_SHIFT + SASL_MECHANISM_COUNT <= FACT_BITS, "the mechanisms fit");

static uint64_t pack(const struct server_facts *facts, int64_t until_ms)
{
    uint64_t bits = (uint64_t)(facts->mechanisms & ((1U << SASL_MECHANISM_COUNT) - 1))
                    << MECHANISM_SHIFT;

    bits |= facts->has_capa ? HAS_CAPA : 0;
    bits |= facts->has_pipelining ? HAS_PIPELINING : 0;
    bits |= facts->answers_once ? ANSWERS_ONCE : 0;
    bits |= facts->takes_response ? TAKES_RESPONSE : 0;
    return (uint64_t)(until_ms / 1000) << FACT_BITS | bits;
}

static struct server_facts unpack(uint64_t value)
{
    return (struct server_facts){
        .has_capa = (value & HAS_CAPA) != 0,
        .has_pipelining = (value & HAS_PIPELINING) != 0,
        .answers_once = (value & ANSWERS_ONCE) != 0,
        .takes_response = (value & TAKES_RESPONSE) != 0,
        .mechanisms = value >> MECHANISM_SHIFT & ((1U << SASL_MECHANISM_COUNT) - 1),
    };
}

/* ---- keys ---- */

uint64_t known_servers_key(const struct address *server, bool is_tls)
{
    const char *octets = (const char *)&server->storage;
    uint64_t key = hash_add(HASH_SEED, is_tls ? 't' : 'c');

    for (size_t i = 0; i < server->length; i++)
        key = hash_add(key, octets[i]);
    return key;
}

uint64_t known_servers_name_key(const struct host_port *server, bool is_tls)
{
    uint64_t key = hash_add(HASH_SEED, is_tls ? 'T' : 'C');

    for (const char *c = server->host; *c != '\0'; c++)
        key = hash_add(key, *c);
    key = hash_add(key, (char)(server->port >> 8));
    return hash_add(key, (char)server->port);
}

/* ---- entries ---- */

/* The value for the key; 0 if there is none. */
static uint64_t value_of(const struct known_servers *known, uint64_t key)
{
    size_t i = key % KNOWN_SERVERS_MAX;
    uint64_t mark, value;

    if (known == NULL)
        return 0;
    mark = atomic_load_explicit(&known->entries[i].mark, memory_order_relaxed);
    value = atomic_load_explicit(&known->entries[i].value, memory_order_relaxed);
    return (mark ^ value) == key ? value : 0;
}

static void set_value(struct known_servers *known, uint64_t key, uint64_t value)
{
    size_t i = key % KNOWN_SERVERS_MAX;

    if (known == NULL)
        return;
    atomic_store_explicit(&known->entries[i].mark, key ^ value, memory_order_relaxed);
    atomic_store_explicit(&known->entries[i].value, value, memory_order_relaxed);
}

bool known_servers_recall(const struct known_servers *known, uint64_t key,
                          struct server_facts *facts_r)
{
    uint64_t value = value_of(known, key);

    if (value == 0)
        return false;
    *facts_r = unpack(value);
    return true;
}

bool known_servers_find(const struct known_servers *known, uint64_t key, int64_t now_ms,
                        struct server_facts *facts_r)
{
    int64_t left_s = (int64_t)(value_of(known, key) >> FACT_BITS) - now_ms / 1000;

    /* A time further ahead than an hour is none: a broken worker has written it. */
    return left_s > 0 && left_s <= KNOWN_SERVERS_KEPT_MS / 1000 &&
           known_servers_recall(known, key, facts_r);
}

void known_servers_put(struct known_servers *known, uint64_t key, int64_t now_ms,
                       const struct server_facts *facts)
{
    set_value(known, key, pack(facts, now_ms + KNOWN_SERVERS_KEPT_MS));
}

void known_servers_remove(struct known_servers *known, uint64_t key)
{
    if (value_of(known, key) != 0)
        set_value(known, key, 0);
}
