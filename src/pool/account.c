/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixed hash table of lock-free entries. A worker may die at any instruction, so nothing here is
 * ever locked, and a place it held is given back by the master from its slot.
 */
#include "pool/account.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/shared.h"

enum {
    ENTRY_COUNT = 16384, /* a power of two */
    PROBES = 16,
    TRIES = 8, /* when another process was faster */
    PLACES_BITS = 16,
    PLACES_MAX = 0xffff,
};

/* Whose an entry is and how many places the address holds change together, in one word: 48 bits of
 * the key's hash (two IPv4 addresses never share them), 16 bits of places. 0 while it is free. */
struct entry {
    _Atomic uint64_t word;
    _Atomic int64_t forgiven_ms; /* when the last failure is forgiven: each adds to it */
};

struct account_table {
    struct entry entries[ENTRY_COUNT];
};

struct account_table *account_table_new(void)
{
    return shared_new(sizeof(struct account_table));
}

void account_table_free(struct account_table *table)
{
    shared_free(table, sizeof(*table));
}

static uint64_t hash(uint64_t key)
{
    return key * UINT64_C(0x9e3779b97f4a7c15);
}

/* The word of the key's entry without places; never 0. */
static uint64_t owner_of(uint64_t key)
{
    uint64_t owner = hash(key) & ~(uint64_t)PLACES_MAX;

    return owner != 0 ? owner : (uint64_t)1 << PLACES_BITS;
}

static bool is_owned_by(uint64_t word, uint64_t key)
{
    return (word & ~(uint64_t)PLACES_MAX) == owner_of(key);
}

static int places_of(uint64_t word)
{
    return (int)(word & PLACES_MAX);
}

static struct entry *entry_at(struct account_table *table, uint64_t key, size_t probe)
{
    return &table->entries[((size_t)(hash(key) >> 40) + probe) & (ENTRY_COUNT - 1)];
}

static struct entry *find(struct account_table *table, uint64_t key)
{
    for (size_t i = 0; key != 0 && i < PROBES; i++)
        if (is_owned_by(atomic_load(&entry_at(table, key, i)->word), key))
            return entry_at(table, key, i);
    return NULL;
}

/* Takes a free entry over for the key, or one whose address has nothing on it any more. */
static struct entry *find_or_make(struct account_table *table, uint64_t key, int64_t now_ms)
{
    struct entry *entry = find(table, key);

    for (size_t i = 0; entry == NULL && key != 0 && i < PROBES; i++) {
        struct entry *candidate = entry_at(table, key, i);
        uint64_t word = atomic_load(&candidate->word);
        bool is_unused =
            word == 0 || (places_of(word) == 0 && atomic_load(&candidate->forgiven_ms) <= now_ms);

        if (is_unused && (atomic_compare_exchange_strong(&candidate->word, &word, owner_of(key)) ||
                          is_owned_by(word, key)))
            entry = candidate;
    }
    return entry;
}

bool account_take_place(struct account_table *table, uint64_t key, int limit, int64_t now_ms)
{
    for (int i = 0; i < TRIES; i++) {
        struct entry *entry = find_or_make(table, key, now_ms);
        uint64_t word = entry == NULL ? 0 : atomic_load(&entry->word);

        if (entry == NULL)
            return true;
        while (is_owned_by(word, key)) {
            if ((limit != 0 && places_of(word) >= limit) || places_of(word) == PLACES_MAX)
                return limit == 0;
            if (atomic_compare_exchange_weak(&entry->word, &word, word + 1))
                return true;
        }
    }
    return true;
}

static bool take_off(struct entry *entry, uint64_t key)
{
    uint64_t word = atomic_load(&entry->word);

    while (is_owned_by(word, key) && places_of(word) > 0)
        if (atomic_compare_exchange_weak(&entry->word, &word, word - 1))
            return true;
    return false;
}

/* An address may have two entries, when two processes made one at the same time; and while one was
 * looked at, a place may have moved to the other. */
void account_give_place_back(struct account_table *table, uint64_t key)
{
    for (int tries = 0; key != 0 && tries < TRIES; tries++)
        for (size_t i = 0; i < PROBES; i++)
            if (take_off(entry_at(table, key, i), key))
                return;
}

int account_places(struct account_table *table, uint64_t key)
{
    int places = 0;

    for (size_t i = 0; key != 0 && i < PROBES; i++) {
        uint64_t word = atomic_load(&entry_at(table, key, i)->word);
        places += is_owned_by(word, key) ? places_of(word) : 0;
    }
    return places;
}

void account_count_failure(struct account_table *table, uint64_t key, int64_t now_ms)
{
    struct entry *entry = find_or_make(table, key, now_ms);
    int64_t forgiven_ms = entry == NULL ? 0 : atomic_load(&entry->forgiven_ms);
    int64_t later_ms;

    if (entry == NULL)
        return;
    do {
        later_ms = (forgiven_ms > now_ms ? forgiven_ms : now_ms) + ACCOUNT_FORGIVE_MS;
    } while (!atomic_compare_exchange_weak(&entry->forgiven_ms, &forgiven_ms, later_ms));
}

bool account_may_try(struct account_table *table, uint64_t key, int limit, int own_places,
                     int64_t now_ms)
{
    struct entry *entry = find(table, key);
    int64_t left_ms;
    int64_t failures;

    if (entry == NULL || limit == 0)
        return true;
    left_ms = atomic_load(&entry->forgiven_ms) - now_ms;
    failures = left_ms <= 0 ? 0 : (left_ms + ACCOUNT_FORGIVE_MS - 1) / ACCOUNT_FORGIVE_MS;
    if (failures * 2 >= limit)
        failures += account_places(table, key) - own_places;
    return failures < limit;
}
