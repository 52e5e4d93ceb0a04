/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table of lock-free entries.
 */
#include "route/route_stay.h"

enum {
    PROBES = 16,
    SESSIONS_MAX = 0xffff,
    SESSIONS_BITS = 16,
    TIME_BITS = 48,
    STAY_MAX_MS = 86400 * 1000, /* a time further ahead is not true */
};

#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)

/* ---- the words of an entry ---- */

/* Never 0. */
static uint64_t owner_of(uint64_t key)
{
    uint64_t owner = key & ~(uint64_t)SESSIONS_MAX;

    return owner != 0 ? owner : (uint64_t)1 << SESSIONS_BITS;
}

static bool is_owned_by(uint64_t owner, uint64_t key)
{
    return (owner & ~(uint64_t)SESSIONS_MAX) == owner_of(key);
}

static uint64_t make_where(uint32_t server, int64_t until_ms)
{
    return (uint64_t)(server & 0xffff) << TIME_BITS | ((uint64_t)until_ms & TIME_MASK);
}

static uint32_t server_of(uint64_t where)
{
    return (uint32_t)(where >> TIME_BITS);
}

/* How long it still holds; 0: no longer. */
static int64_t left_ms(uint64_t where, int64_t now_ms)
{
    int64_t left = (int64_t)(where & TIME_MASK) - now_ms;

    return left > 0 && left <= STAY_MAX_MS ? left : 0;
}

static bool has_sessions(uint64_t owner)
{
    return (owner & SESSIONS_MAX) != 0;
}

/* ---- entries ---- */

static size_t index_of(uint64_t key, size_t probe)
{
    return ((size_t)(key >> SESSIONS_BITS) + probe) & (ROUTE_STAY_ENTRIES - 1);
}

static struct route_stay_entry *find(struct route_stay *stay, uint64_t key)
{
    for (size_t i = 0; stay != NULL && i < PROBES; i++) {
        struct route_stay_entry *entry = &stay->entries[index_of(key, i)];

        if (is_owned_by(atomic_load(&entry->owner), key))
            return entry;
    }
    return NULL;
}

/* How much is lost with the entry: nothing with a free one, everything with one in use. */
static int64_t worth_of(const struct route_stay_entry *entry, int64_t now_ms)
{
    uint64_t owner = atomic_load(&entry->owner);

    if (owner == 0)
        return -1;
    return has_sessions(owner) ? INT64_MAX : left_ms(atomic_load(&entry->where), now_ms);
}

static struct route_stay_entry *find_cheapest(struct route_stay *stay, uint64_t key, int64_t now_ms)
{
    struct route_stay_entry *best = NULL;
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < PROBES; i++) {
        struct route_stay_entry *entry = &stay->entries[index_of(key, i)];
        int64_t worth = worth_of(entry, now_ms);

        if (worth < least) {
            least = worth;
            best = entry;
        }
    }
    return best;
}

/* NULL where all entries that he could have are in use. */
static struct route_stay_entry *find_or_make(struct route_stay *stay, uint64_t key, int64_t now_ms)
{
    struct route_stay_entry *entry = find(stay, key);
    uint64_t owner;

    if (entry != NULL || stay == NULL)
        return entry;
    entry = find_cheapest(stay, key, now_ms);
    if (entry == NULL)
        return NULL;
    owner = atomic_load(&entry->owner);
    if (has_sessions(owner) ||
        !atomic_compare_exchange_strong(&entry->owner, &owner, owner_of(key)))
        return find(stay, key);
    atomic_store(&entry->where, 0);
    return entry;
}

/* ---- what is kept ---- */

struct route_stay_place route_stay_find(const struct route_stay *stay, uint64_t key, int64_t now_ms)
{
    struct route_stay_place place = {.server = 0};

    for (size_t i = 0; stay != NULL && i < PROBES; i++) {
        const struct route_stay_entry *entry = &stay->entries[index_of(key, i)];
        uint64_t owner = atomic_load_explicit(&entry->owner, memory_order_relaxed);
        uint64_t where = atomic_load_explicit(&entry->where, memory_order_relaxed);

        if (!is_owned_by(owner, key))
            continue;
        place.is_running = has_sessions(owner);
        if (place.is_running || left_ms(where, now_ms) > 0)
            place.server = server_of(where);
        break;
    }
    return place;
}

bool route_stay_begin(struct route_stay *stay, uint64_t key, uint32_t server, int64_t stay_ms,
                      int64_t now_ms, uint64_t *before_r)
{
    struct route_stay_entry *entry = find_or_make(stay, key, now_ms);
    uint64_t owner = entry == NULL ? 0 : atomic_load(&entry->owner);

    *before_r = entry == NULL ? 0 : atomic_load(&entry->where);
    while (is_owned_by(owner, key) && (owner & SESSIONS_MAX) < SESSIONS_MAX)
        if (atomic_compare_exchange_weak(&entry->owner, &owner, owner + 1)) {
            atomic_store(&entry->where, make_where(server, now_ms + stay_ms));
            return true;
        }
    return false;
}

static void take_off(struct route_stay_entry *entry, uint64_t key)
{
    uint64_t owner = atomic_load(&entry->owner);

    while (is_owned_by(owner, key) && has_sessions(owner) &&
           !atomic_compare_exchange_weak(&entry->owner, &owner, owner - 1))
        ;
}

/* A later session may have gone to another server: then that one counts. */
static void put_where(struct route_stay_entry *entry, uint32_t server, uint64_t wanted)
{
    uint64_t where = atomic_load(&entry->where);

    if (server_of(where) == server)
        (void)atomic_compare_exchange_strong(&entry->where, &where, wanted);
}

void route_stay_end(struct route_stay *stay, uint64_t key, uint32_t server, int64_t stay_ms,
                    int64_t now_ms)
{
    struct route_stay_entry *entry = find(stay, key);

    if (entry == NULL)
        return;
    put_where(entry, server, make_where(server, now_ms + stay_ms));
    take_off(entry, key);
}

void route_stay_undo(struct route_stay *stay, uint64_t key, uint32_t server, uint64_t before)
{
    struct route_stay_entry *entry = find(stay, key);

    if (entry == NULL)
        return;
    if (server_of(before) != server)
        put_where(entry, server, before);
    take_off(entry, key);
}
