/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixed hash table of lock-free entries. A worker may die at any instruction, so nothing here is
 * ever locked, and the master gives back what it held, as its slots say.
 */
#include "pool/account.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/hash.h"
#include "base/shared.h"

enum {
    ENTRY_COUNT = 65536, /* a power of two */
    PROBES = 16,
    TRIES = 8, /* when another process was faster */
    COUNT_MAX = 0xffff,
    PLACES_BITS = 16,
    FORGIVEN_BITS = 48,
    LIMIT_MAX = 1000000, /* of failed logins */
};

#define FORGIVEN_MASK ((UINT64_C(1) << FORGIVEN_BITS) - 1)

/*
 * `owner`: 48 bits of the key's hash, which no two IPv4 addresses share, and 16 bits that count the
 * places of this address: they change together. 0 while the entry is free.
 *
 * `attempts`: 16 bits that count the attempts under way, and 48 bits of monotonic time in ms, when
 * the last failure is forgiven: each failure moves it by ACCOUNT_FORGIVE_MS.
 */
struct entry {
    _Atomic uint64_t owner;
    _Atomic uint64_t attempts;
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

/* ---- entries ---- */

/* The owner of the key's entry without places; never 0. */
static uint64_t owner_of(uint64_t key)
{
    uint64_t owner = hash_number(key) & ~(uint64_t)COUNT_MAX;

    return owner != 0 ? owner : (uint64_t)1 << PLACES_BITS;
}

static bool is_owned_by(uint64_t owner, uint64_t key)
{
    return (owner & ~(uint64_t)COUNT_MAX) == owner_of(key);
}

static int places_of(uint64_t owner)
{
    return (int)(owner & COUNT_MAX);
}

static int under_way(uint64_t attempts)
{
    return (int)(attempts >> FORGIVEN_BITS);
}

static int64_t forgiven_ms(uint64_t attempts)
{
    return (int64_t)(attempts & FORGIVEN_MASK);
}

static uint64_t make_attempts(int count, int64_t when_ms)
{
    return (uint64_t)count << FORGIVEN_BITS | ((uint64_t)when_ms & FORGIVEN_MASK);
}

static struct entry *entry_at(struct account_table *table, uint64_t key, size_t probe)
{
    return &table->entries[((size_t)(hash_number(key) >> 40) + probe) & (ENTRY_COUNT - 1)];
}

static struct entry *find(struct account_table *table, uint64_t key)
{
    for (size_t i = 0; key != 0 && i < PROBES; i++)
        if (is_owned_by(atomic_load(&entry_at(table, key, i)->owner), key))
            return entry_at(table, key, i);
    return NULL;
}

/* A time further ahead than any limit allows is none: a broken worker has written it. */
static bool owes(const struct entry *entry, int64_t now_ms)
{
    int64_t left_ms = forgiven_ms(atomic_load(&entry->attempts)) - now_ms;

    return left_ms > 0 && left_ms <= (int64_t)LIMIT_MAX * ACCOUNT_FORGIVE_MS;
}

/* Makes the entry the key's if its address has nothing on it any more. */
static bool take_over(struct entry *entry, uint64_t key, int64_t now_ms)
{
    uint64_t owner = atomic_load(&entry->owner);
    uint64_t attempts = atomic_load(&entry->attempts);
    bool is_unused = owner == 0 || (places_of(owner) == 0 && !owes(entry, now_ms));

    if (!is_unused)
        return false;
    if (!atomic_compare_exchange_strong(&entry->owner, &owner, owner_of(key)))
        return is_owned_by(owner, key);
    /* Unless an attempt of the new owner was quicker, what is left of the old one's goes. */
    (void)atomic_compare_exchange_strong(&entry->attempts, &attempts, 0);
    return true;
}

static struct entry *find_or_make(struct account_table *table, uint64_t key, int64_t now_ms)
{
    struct entry *entry = find(table, key);

    for (size_t i = 0; entry == NULL && key != 0 && i < PROBES; i++)
        if (take_over(entry_at(table, key, i), key, now_ms))
            entry = entry_at(table, key, i);
    return entry;
}

/* There is no entry left for the key. Where addresses that owe failed logins hold most of the
 * entries it could have, somebody tries passwords from many addresses. */
static bool is_crowded(struct account_table *table, uint64_t key, int64_t now_ms)
{
    size_t owing = 0;

    for (size_t i = 0; i < PROBES; i++)
        owing += owes(entry_at(table, key, i), now_ms);
    return owing * 2 >= PROBES;
}

/* ---- places ---- */

enum account_answer account_take_place(struct account_table *table, uint64_t key, int limit,
                                       int64_t now_ms)
{
    for (int i = 0; key != 0 && i < TRIES; i++) {
        struct entry *entry = find_or_make(table, key, now_ms);
        uint64_t owner = entry == NULL ? 0 : atomic_load(&entry->owner);

        if (entry == NULL)
            return is_crowded(table, key, now_ms) ? ACCOUNT_CROWDED : ACCOUNT_UNCOUNTED;
        while (is_owned_by(owner, key)) {
            if (limit != 0 && places_of(owner) >= limit)
                return ACCOUNT_REFUSED;
            if (places_of(owner) == COUNT_MAX)
                return ACCOUNT_UNCOUNTED;
            if (atomic_compare_exchange_weak(&entry->owner, &owner, owner + 1))
                return ACCOUNT_GRANTED;
        }
    }
    return ACCOUNT_UNCOUNTED;
}

static bool take_off(struct entry *entry, uint64_t key)
{
    uint64_t owner = atomic_load(&entry->owner);

    while (is_owned_by(owner, key) && places_of(owner) > 0)
        if (atomic_compare_exchange_weak(&entry->owner, &owner, owner - 1))
            return true;
    return false;
}

/* An address may have two entries, when two processes made one at the same time; and while one was
 * examined, a place may have moved to the other. */
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
        uint64_t owner = atomic_load(&entry_at(table, key, i)->owner);
        places += is_owned_by(owner, key) ? places_of(owner) : 0;
    }
    return places;
}

/* ---- attempts ---- */

/* How many failed logins are not forgiven yet, at most `limit`. */
static int failures(uint64_t attempts, int limit, int64_t now_ms)
{
    int64_t left_ms = forgiven_ms(attempts) - now_ms;
    int64_t count = left_ms <= 0 ? 0 : (left_ms + ACCOUNT_FORGIVE_MS - 1) / ACCOUNT_FORGIVE_MS;

    return count < limit ? (int)count : limit;
}

/* A time that a smaller limit, after a reload, or a broken worker has left too far ahead. */
static int64_t bounded_ms(uint64_t attempts, int limit, int64_t now_ms)
{
    int64_t most_ms = now_ms + (int64_t)limit * ACCOUNT_FORGIVE_MS;

    return forgiven_ms(attempts) < most_ms ? forgiven_ms(attempts) : most_ms;
}

bool account_is_locked(struct account_table *table, uint64_t key, int limit, int64_t now_ms)
{
    struct entry *entry = limit == 0 ? NULL : find(table, key);
    uint64_t attempts = entry == NULL ? 0 : atomic_load(&entry->attempts);
    uint64_t bounded = make_attempts(under_way(attempts), bounded_ms(attempts, limit, now_ms));

    if (entry != NULL && bounded != attempts)
        (void)atomic_compare_exchange_strong(&entry->attempts, &attempts, bounded);
    return entry != NULL && failures(bounded, limit, now_ms) >= limit;
}

enum account_answer account_begin_attempt(struct account_table *table, uint64_t key, int limit,
                                          int64_t now_ms)
{
    struct entry *entry = limit == 0 ? NULL : find_or_make(table, key, now_ms);
    uint64_t attempts = entry == NULL ? 0 : atomic_load(&entry->attempts);
    uint64_t begun;

    if (entry == NULL)
        return ACCOUNT_UNCOUNTED;
    do {
        int places = account_places(table, key);
        int failed = failures(attempts, limit, now_ms);
        /* Each attempt holds a place: a larger number is not true. */
        int trying = under_way(attempts) < places ? under_way(attempts) : places;

        if (failed >= limit)
            return ACCOUNT_REFUSED;
        if (failed + trying >= limit || trying == COUNT_MAX)
            return ACCOUNT_WAIT;
        begun = make_attempts(trying + 1, bounded_ms(attempts, limit, now_ms));
    } while (!atomic_compare_exchange_weak(&entry->attempts, &attempts, begun));
    return ACCOUNT_GRANTED;
}

static bool end_attempt(struct entry *entry, uint64_t key, bool has_failed, int64_t now_ms)
{
    uint64_t attempts = atomic_load(&entry->attempts);

    while (is_owned_by(atomic_load(&entry->owner), key) && under_way(attempts) > 0) {
        int64_t when_ms = forgiven_ms(attempts);

        if (has_failed)
            when_ms = (when_ms > now_ms ? when_ms : now_ms) + ACCOUNT_FORGIVE_MS;
        if (atomic_compare_exchange_weak(&entry->attempts, &attempts,
                                         make_attempts(under_way(attempts) - 1, when_ms)))
            return true;
    }
    return false;
}

void account_end_attempt(struct account_table *table, uint64_t key, bool has_failed, int64_t now_ms)
{
    for (size_t i = 0; key != 0 && i < PROBES; i++)
        if (end_attempt(entry_at(table, key, i), key, has_failed, now_ms))
            return;
}
