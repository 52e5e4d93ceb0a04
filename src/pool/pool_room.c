/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making room in a full pool whose queue does not move: sessions that have not logged in are asked
 * to end. All places are gone through once a poll, however many sessions are asked.
 */
#include "pool/pool_room.h"

#include "base/clock.h"
#include "base/heap.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"
#include "pool/worker.h"

enum {
    AGE_MIN_MS = 100, /* a session younger than this is no hindrance yet */
    AGE_MAX_MS = 500, /* and one older than this is, if the queue does not move */
    AGE_LOGGING_IN_MS =
        10000,         /* the same while a password is tried, for an address with few places */
    FEW_PLACES = 2,    /* a user's mail program, or two of them behind one address */
    LARGE_SHARE = 8,   /* an address that holds an eighth of the pool holds the others up */
    VICTIMS_MAX = 256, /* at one poll; the next one follows soon */
};

struct victim {
    struct heap_item item;
    struct scoreboard_slot *slot;
    int places; /* that its address holds */
    int64_t age_ms;
};

/* The `size` victims that go first of all that were offered. The heap has the one of them that goes
 * last in front, where a better one takes its place. */
struct victims {
    size_t size;
    struct heap heap;
    struct victim list[VICTIMS_MAX];
};

static const struct victim *victim_of(const struct heap_item *item)
{
    return HEAP_OWNER(item, const struct victim, item);
}

static bool goes_before(const struct victim *a, const struct victim *b)
{
    return a->places != b->places ? a->places > b->places : a->age_ms > b->age_ms;
}

static bool goes_after(const struct heap_item *a, const struct heap_item *b)
{
    return goes_before(victim_of(b), victim_of(a));
}

static void offer(struct victims *victims, struct scoreboard_slot *slot, int places, int64_t age_ms)
{
    struct victim offered = {.slot = slot, .places = places, .age_ms = age_ms};
    const struct heap_item *last = heap_first(&victims->heap);
    size_t index = victims->heap.count;

    if (index == victims->size && last != NULL) {
        if (!goes_before(&offered, victim_of(last)))
            return;
        index = (size_t)(victim_of(last) - victims->list);
        offered.item = *last;
    }
    victims->list[index] = offered;
    heap_put(&victims->heap, &victims->list[index].item);
}

/* ---- who has had its time ---- */

static size_t all_places(const struct pool *pool)
{
    return (size_t)pool->instance->values->max_workers * pool->places;
}

/* Whether a password may be under way. A client that has sent none holds a place for nothing, and
 * so does one that names a server which cannot be found or reached. */
static bool is_logging_in(const struct scoreboard_slot *slot)
{
    enum session_stage stage = scoreboard_stage(slot);

    return stage == SESSION_STAGE_ACCESS || stage == SESSION_STAGE_SERVER_LOGIN;
}

/* A login that waits for a slow server has time, as long as its address holds few places. With the
 * number of them the time goes down quickly: a few addresses must not hold all places for long. */
static int64_t age_logging_in_ms(const struct pool *pool, int places, int64_t age_ms)
{
    int64_t shared_ms;

    if (places <= FEW_PLACES)
        return AGE_LOGGING_IN_MS;
    if ((size_t)places >= all_places(pool) / LARGE_SHARE)
        return age_ms;
    shared_ms = AGE_LOGGING_IN_MS * FEW_PLACES * FEW_PLACES / ((int64_t)places * places);
    return shared_ms > age_ms ? shared_ms : age_ms;
}

static bool is_asked(const struct scoreboard_slot *slot)
{
    return atomic_load(&slot->shed_session) == atomic_load(&slot->session);
}

static void ask(const struct pool *pool, struct scoreboard_slot *slot)
{
    atomic_store(&slot->shed_session, atomic_load(&slot->session));
    pool_signal_session(pool, slot, WORKER_SIGNAL_SHED);
}

static void consider(const struct pool *pool, struct scoreboard_slot *slot, int64_t now_ms,
                     int64_t age_ms, struct victims *victims)
{
    int places = account_places(pool->memory->accounts, atomic_load(&slot->account));
    int64_t session_ms = scoreboard_age_ms(slot, now_ms);

    if (is_logging_in(slot))
        age_ms = age_logging_in_ms(pool, places, age_ms);
    if (session_ms > age_ms)
        offer(victims, slot, places, session_ms);
}

/* Goes through all places. The signal to a worker with one session may have come just before it
 * fell asleep, and had no effect: it is sent again. */
static void find_victims(const struct pool *pool, int64_t age_ms, struct victims *victims)
{
    int64_t now_ms = clock_now_ms();
    struct scoreboard_slot *slot;

    for (size_t at = 0; (slot = pool_next_session(pool, &at)) != NULL;) {
        if (scoreboard_state(slot) != SCOREBOARD_BUSY ||
            atomic_load(&slot->login) == SCOREBOARD_LOGIN_DONE)
            continue;
        if (!is_asked(slot))
            consider(pool, slot, now_ms, age_ms, victims);
        else if (pool->places == 1)
            pool_signal_session(pool, slot, WORKER_SIGNAL_SHED);
    }
}

/* The age at which a session has had its time if the whole queue is to have its turn soon. */
static int64_t wanted_age_ms(const struct pool *pool, size_t queue)
{
    size_t age_ms = all_places(pool) * POOL_ROOM_POLLS / queue * POOL_POLL_MS;

    if (age_ms < AGE_MIN_MS)
        return AGE_MIN_MS;
    return age_ms > AGE_MAX_MS ? AGE_MAX_MS : (int64_t)age_ms;
}

unsigned pool_make_room(struct pool *pool, size_t queue)
{
    static struct victims victims;
    size_t wanted = 1 + queue * 2 / POOL_ROOM_POLLS;

    victims.heap.is_before = goes_after;
    victims.size = wanted < VICTIMS_MAX ? wanted : VICTIMS_MAX;
    if (!heap_reserve(&victims.heap, VICTIMS_MAX))
        return 0; /* no memory now: the next poll tries again */
    victims.heap.count = 0;
    find_victims(pool, wanted_age_ms(pool, queue), &victims);
    for (size_t i = 0; i < victims.heap.count; i++)
        ask(pool, victims.list[i].slot);
    return (unsigned)victims.heap.count;
}
