/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool that is full for a moment is not worth a line. Once a minute, as long as it is full, all slots
 * are read: how many sessions have logged in, and which address has most of them. The numbers are only
 * shown; nothing is decided by them.
 */
#include "pool/pool_full.h"

#include "base/clock.h"
#include "base/log.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"

enum { WORTH_TELLING_MS = 1000, TELL_EVERY_MS = 60000 };

struct holders {
    size_t sessions;
    size_t logged_in;
    int most; /* sessions of one address, */
    const struct scoreboard_slot *most_slot; /* and one of them */
};

/* An address counts where there is a limit for it. */
static int sessions_of_address(const struct pool *pool, const struct scoreboard_slot *slot)
{
    return account_places(pool->memory->accounts, atomic_load(&slot->account)) +
           account_places(pool->memory->sessions, atomic_load(&slot->session_address));
}

static struct holders find_holders(const struct pool *pool)
{
    struct holders holders = {0};
    const struct scoreboard_slot *slot;

    for (size_t at = 0; (slot = pool_next_session(pool, &at)) != NULL;) {
        int count;

        if (scoreboard_state(slot) != SCOREBOARD_BUSY)
            continue;
        count = sessions_of_address(pool, slot);
        holders.sessions++;
        holders.logged_in += atomic_load(&slot->login) == SCOREBOARD_LOGIN_DONE;
        if (count > holders.most) {
            holders.most = count;
            holders.most_slot = slot;
        }
    }
    return holders;
}

static void log_full(const struct pool *pool, size_t queue, int64_t duration_ms)
{
    struct holders holders = find_holders(pool);
    struct scoreboard_texts texts;
    struct log_line line;

    log_begin(&line, EVENT_POOL_FULL);
    log_add(&line, "instance", pool->instance->section.name);
    log_add(&line, "state", "full");
    log_add_number(&line, "queue", (int64_t)queue);
    log_add_number(&line, "sessions", (int64_t)holders.sessions);
    log_add_number(&line, "logged_in", (int64_t)holders.logged_in);
    log_add_duration(&line, "duration", duration_ms);
    if (holders.most_slot != NULL && scoreboard_read_texts(holders.most_slot, &texts)) {
        log_add(&line, "client", texts.client);
        log_add_number(&line, "client_sessions", holders.most);
    }
    log_end(&line);
}

void pool_full_goes_on(struct pool *pool, size_t queue)
{
    struct pool_full *full = &pool->full;
    int64_t now_ms = clock_now_ms();

    if (full->since_ms == 0)
        full->since_ms = now_ms;
    if (now_ms - full->since_ms < WORTH_TELLING_MS ||
        (full->told_ms != 0 && now_ms - full->told_ms < TELL_EVERY_MS))
        return;
    full->told_ms = now_ms;
    full->is_told = true;
    log_full(pool, queue, now_ms - full->since_ms);
}

void pool_full_is_over(struct pool *pool)
{
    struct pool_full *full = &pool->full;
    struct log_line line;

    if (full->is_told) {
        log_begin(&line, EVENT_POOL_FULL);
        line.level = LOG_LEVEL_NOTICE;
        log_add(&line, "instance", pool->instance->section.name);
        log_add(&line, "state", "over");
        log_add_duration(&line, "duration", clock_now_ms() - full->since_ms);
        log_end(&line);
    }
    full->since_ms = 0;
    full->is_told = false;
}
