/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixed hash table of lock-free entries. A worker may die at any instruction, so nothing here is
 * ever locked, and a place it held is given back by the master from its slot.
 */
#include "base/account.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/shared.h"

enum {
    ENTRY_COUNT = 16384, /* a power of two */
    PROBES = 16,
};

struct entry {
    _Atomic uint64_t key;
    _Atomic int64_t forgiven_ms; /* when the last failure is forgiven: each adds to it */
    _Atomic int places;
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

static size_t hash(uint64_t key)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key >> 40);
}

static struct entry *entry_at(struct account_table *table, uint64_t key, size_t probe)
{
    return &table->entries[(hash(key) + probe) & (ENTRY_COUNT - 1)];
}

static struct entry *find(struct account_table *table, uint64_t key)
{
    for (size_t i = 0; key != 0 && i < PROBES; i++)
        if (atomic_load(&entry_at(table, key, i)->key) == key)
            return entry_at(table, key, i);
    return NULL;
}

/* Takes a free entry over for the key, or one whose address has nothing on it any more. */
static struct entry *find_or_make(struct account_table *table, uint64_t key, int64_t now_ms)
{
    struct entry *entry = find(table, key);

    for (size_t i = 0; entry == NULL && key != 0 && i < PROBES; i++) {
        struct entry *candidate = entry_at(table, key, i);
        uint64_t owner = atomic_load(&candidate->key);
        bool is_unused = owner == 0 || (atomic_load(&candidate->places) == 0 &&
                                        atomic_load(&candidate->forgiven_ms) <= now_ms);

        if (is_unused && (atomic_compare_exchange_strong(&candidate->key, &owner, key) ||
                          owner == key))
            entry = candidate;
    }
    return entry;
}

bool account_take_place(struct account_table *table, uint64_t key, int limit, int64_t now_ms)
{
    struct entry *entry = find_or_make(table, key, now_ms);

    if (entry == NULL)
        return true;
    if (atomic_fetch_add(&entry->places, 1) < limit || limit == 0)
        return true;
    atomic_fetch_sub(&entry->places, 1);
    return false;
}

void account_give_place_back(struct account_table *table, uint64_t key)
{
    struct entry *entry = find(table, key);
    int places = entry == NULL ? 0 : atomic_load(&entry->places);

    while (places > 0 && !atomic_compare_exchange_weak(&entry->places, &places, places - 1))
        continue;
}

int account_places(struct account_table *table, uint64_t key)
{
    struct entry *entry = find(table, key);

    return entry == NULL ? 0 : atomic_load(&entry->places);
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

bool account_may_try(struct account_table *table, uint64_t key, int limit, int64_t now_ms)
{
    struct entry *entry = find(table, key);
    int64_t left_ms;
    int64_t failures;

    if (entry == NULL || limit == 0)
        return true;
    left_ms = atomic_load(&entry->forgiven_ms) - now_ms;
    failures = left_ms <= 0 ? 0 : (left_ms + ACCOUNT_FORGIVE_MS - 1) / ACCOUNT_FORGIVE_MS;
    if (failures * 2 >= limit)
        failures += atomic_load(&entry->places) - 1;
    return failures < limit;
}
