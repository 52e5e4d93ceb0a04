/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making room in a full pool whose queue does not move: sessions that have not logged in are asked
 * to end. All places are gone through once a poll, however many sessions are asked.
 */
#include "pool/pool_room.h"

#include "base/clock.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"
#include "pool/worker.h"

enum {
    AGE_MIN_MS = 100,          /* a session younger than this is no hindrance yet */
    AGE_MAX_MS = 500,          /* and one older than this is, if the queue does not move */
    AGE_LOGGING_IN_MS = 10000, /* the same for one whose password is being tried */
    VICTIMS_MAX = 256,         /* at one poll; the next one follows soon */
};

struct victim {
    struct scoreboard_slot *slot;
    int places; /* that its address holds */
    int64_t started_ms;
};

/* The `size` that go first of all that were offered. A heap: the one that goes last of them stands
 * at the top, where a better one takes its place. */
struct victims {
    size_t size;
    size_t count;
    struct victim heap[VICTIMS_MAX];
};

static bool goes_before(const struct victim *a, const struct victim *b)
{
    return a->places != b->places ? a->places > b->places : a->started_ms < b->started_ms;
}

static void swap(struct victim *a, struct victim *b)
{
    struct victim old = *a;

    *a = *b;
    *b = old;
}

static void rise(struct victims *victims)
{
    size_t i = victims->count - 1;

    while (i > 0) {
        size_t parent = (i - 1) / 2;

        if (!goes_before(&victims->heap[parent], &victims->heap[i]))
            return;
        swap(&victims->heap[i], &victims->heap[parent]);
        i = parent;
    }
}

static void sink(struct victims *victims)
{
    size_t i = 0;
    size_t last;

    while ((last = 2 * i + 1) < victims->count) {
        if (last + 1 < victims->count &&
            goes_before(&victims->heap[last], &victims->heap[last + 1]))
            last++;
        if (!goes_before(&victims->heap[i], &victims->heap[last]))
            return;
        swap(&victims->heap[i], &victims->heap[last]);
        i = last;
    }
}

static void offer(struct victims *victims, const struct victim *victim)
{
    if (victims->count < victims->size) {
        victims->heap[victims->count++] = *victim;
        rise(victims);
    } else if (goes_before(victim, &victims->heap[0])) {
        victims->heap[0] = *victim;
        sink(victims);
    }
}

/* Who has sent a password waits for others, within limits of their own; who has not is what holds
 * places in a storm of silent or dripping clients. */
static bool is_old_enough(const struct scoreboard_slot *slot, int64_t now_ms, int age_ms)
{
    bool is_logging_in = scoreboard_stage(slot) != SESSION_STAGE_LOGIN;

    return atomic_load(&slot->started_ms) < now_ms - (is_logging_in ? AGE_LOGGING_IN_MS : age_ms);
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

/* Goes through all places. A signal may have come to a worker with one session just before it fell
 * asleep, unheard: it is sent again. */
static void find_victims(const struct pool *pool, int age_ms, struct victims *victims)
{
    int64_t now_ms = clock_now_ms();
    struct scoreboard_slot *slot;

    for (size_t at = 0; (slot = pool_next_session(pool, &at)) != NULL;) {
        if (scoreboard_state(slot) != SCOREBOARD_BUSY || atomic_load(&slot->is_logged_in))
            continue;
        if (is_asked(slot)) {
            if (pool->places == 1)
                pool_signal_session(pool, slot, WORKER_SIGNAL_SHED);
        } else if (is_old_enough(slot, now_ms, age_ms)) {
            offer(victims,
                  &(struct victim){
                      slot, account_places(pool->memory->accounts, atomic_load(&slot->account)),
                      atomic_load(&slot->started_ms)});
        }
    }
}

/* The age at which a session has had its time if the whole queue is to have its turn soon. */
static int wanted_age_ms(const struct pool *pool, size_t queue)
{
    size_t places = (size_t)pool->instance->values->max_workers * pool->places;
    size_t age_ms = places * POOL_ROOM_POLLS / queue * POOL_POLL_MS;

    if (age_ms < AGE_MIN_MS)
        return AGE_MIN_MS;
    return age_ms > AGE_MAX_MS ? AGE_MAX_MS : (int)age_ms;
}

unsigned pool_make_room(struct pool *pool, size_t queue)
{
    size_t wanted = 1 + queue * 2 / POOL_ROOM_POLLS;
    struct victims victims = {.size = wanted < VICTIMS_MAX ? wanted : VICTIMS_MAX};

    find_victims(pool, wanted_age_ms(pool, queue), &victims);
    for (size_t i = 0; i < victims.count; i++)
        ask(pool, victims.heap[i].slot);
    return (unsigned)victims.count;
}
