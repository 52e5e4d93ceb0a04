/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mark is the number of the session in its slot, so it does not hit the next session there.
 */
#include "pool/pool_kick.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"
#include "pool/worker.h"

/* ---- sessions by name ---- */

static bool has_name(const struct scoreboard_slot *slot, const char *name, uint64_t hash)
{
    struct scoreboard_texts texts;

    if (atomic_load(&slot->typed_name) == hash || atomic_load(&slot->sent_name) == hash)
        return true;
    return scoreboard_read_texts(slot, &texts) && strcmp(texts.id, name) == 0;
}

static int add(struct pool_kick *kick, struct scoreboard_slot *slot, uint32_t session)
{
    struct pool_kicked *list = kick->list;

    if ((kick->count & (kick->count - 1)) == 0) /* it has room for a power of two */
        list = realloc(list, (kick->count == 0 ? 1 : kick->count * 2) * sizeof(*list));
    if (list == NULL)
        return -1;
    kick->list = list;
    list[kick->count++] = (struct pool_kicked){.slot = slot, .session = session};
    return 0;
}

static int find_in(struct pool_kick *kick, const struct pool *pool, size_t worker,
                   const char *name, uint64_t hash)
{
    struct scoreboard_slot *slot;

    for (size_t at = 0; (slot = pool_next_place(pool, pool_worker_slot(pool, worker), &at)) != NULL;) {
        uint32_t session = atomic_load(&slot->session);

        if (scoreboard_state(slot) == SCOREBOARD_BUSY && has_name(slot, name, hash) &&
            add(kick, slot, session) == -1)
            return -1;
    }
    return 0;
}

static void mark_all(const struct pool_kick *kick)
{
    for (size_t i = 0; i < kick->count; i++)
        atomic_store(&kick->list[i].slot->kicked_session, kick->list[i].session);
}

int pool_kick_mark(struct pool_kick *kick, const struct pool *pools, const char *name)
{
    uint64_t hash = hash_text_nocase(name);

    *kick = (struct pool_kick){0};
    for (; pools != NULL; pools = pools->next) {
        size_t end = atomic_load(&pools->scoreboard->workers_end);

        for (size_t i = 0; i < end && i < pools->worker_count; i++)
            if (find_in(kick, pools, i, name, hash) == -1) {
                pool_kick_free(kick);
                return -1;
            }
    }
    mark_all(kick);
    return 0;
}

size_t pool_kick_left(const struct pool_kick *kick)
{
    size_t left = 0;

    for (size_t i = 0; i < kick->count; i++) {
        const struct scoreboard_slot *slot = kick->list[i].slot;

        left += scoreboard_state(slot) == SCOREBOARD_BUSY &&
                atomic_load(&slot->session) == kick->list[i].session &&
                atomic_load(&slot->kicked_session) == kick->list[i].session;
    }
    return left;
}

void pool_kick_free(struct pool_kick *kick)
{
    free(kick->list);
    *kick = (struct pool_kick){0};
}

size_t pool_kick_count(const struct pool *pools, const char *name)
{
    uint64_t hash = hash_text_nocase(name);
    size_t count = 0;

    for (; pools != NULL; pools = pools->next) {
        const struct scoreboard_slot *slot;

        for (size_t at = 0; (slot = pool_next_session(pools, &at)) != NULL;)
            count += scoreboard_state(slot) == SCOREBOARD_BUSY && scoreboard_is_kicked(slot) &&
                     has_name(slot, name, hash);
    }
    return count;
}

/* ---- in the master ---- */

bool pool_kick_tell(const struct pool *pool)
{
    struct scoreboard_slot *slot;
    bool has_any = false;

    for (size_t at = 0; (slot = pool_next_session(pool, &at)) != NULL;) {
        if (scoreboard_state(slot) != SCOREBOARD_BUSY || !scoreboard_is_kicked(slot))
            continue;
        pool_signal_session(pool, slot, WORKER_SIGNAL_SHED);
        has_any = true;
    }
    return has_any;
}
