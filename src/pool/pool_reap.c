/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What follows the death of a process: a line in the log, its slots given back, another process in
 * its place.
 */
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_privacy.h"
#include "base/sandbox.h"
#include "config/conf_sandbox.h"
#include "pool/pool.h"
#include "pool/pool_slots.h"
#include "pool/pool_workers.h"

enum { HELPER_SHORT_LIFE_MS = 1000 }; /* a helper that has lived shorter is not replaced at once */

/* The name may have been cut for the slot, so its hash would be another user's than in other lines. */
static void add_user(struct log_line *line, const struct scoreboard_texts *texts)
{
    if (log_privacy_hides_names())
        log_add_hash(line, "user", texts->user_hash);
    else
        log_add(line, "user", texts->user);
}

/* What somebody who reads the log needs to find the session. */
static void add_session(struct log_line *line, const struct scoreboard_slot *slot)
{
    struct scoreboard_texts texts;

    if (scoreboard_state(slot) != SCOREBOARD_BUSY || !scoreboard_read_texts(slot, &texts))
        return;
    log_add(line, "session", texts.id);
    log_add(line, "client", texts.client);
    add_user(line, &texts);
    log_add(line, "server", texts.server);
    log_add(line, "stage", scoreboard_stage_word(slot));
}

/* The sessions that have ended with a worker that carried many. */
static void log_lost_sessions(const struct pool *pool, struct scoreboard_slot *worker, pid_t pid)
{
    struct scoreboard_slot *slot;
    struct log_line line;

    for (size_t at = 0; (slot = pool_next_place(pool, worker, &at)) != NULL;) {
        if (scoreboard_state(slot) != SCOREBOARD_BUSY)
            continue;
        log_begin(&line, EVENT_SESSION_LOST);
        log_add(&line, "instance", pool->instance->section.name);
        log_add_number(&line, "pid", pid);
        add_session(&line, slot);
        log_end(&line);
    }
}

static void log_death(const struct pool *pool, struct scoreboard_slot *slot, pid_t pid, int status)
{
    char call[SANDBOX_CALL_SIZE];
    struct log_line line;

    log_begin(&line, EVENT_WORKER_DIED);
    log_add(&line, "instance", pool->instance->section.name);
    log_add_number(&line, "pid", pid);
    if (WIFSIGNALED(status))
        log_add(&line, "signal", strsignal(WTERMSIG(status)));
    else
        log_add_number(&line, "exit", WEXITSTATUS(status));
    if (sandbox_take_call(pid, status, call)) {
        enum sandbox_role role = pool->places > 1 ? SANDBOX_WORKER_MANY : SANDBOX_WORKER_ONE;

        log_add(&line, "role", sandbox_role_word(role));
        log_add(&line, "call", call);
        if (call[0] == '\0')
            log_add_text(&line, "text", SANDBOX_UNNAMED);
    }
    if (pool->places == 1)
        add_session(&line, slot);
    else
        log_add_number(&line, "sessions", atomic_load(&slot->session_count));
    log_end(&line);
    if (pool->places > 1)
        log_lost_sessions(pool, slot, pid);
}

static void reap_worker(struct pool *pool, size_t index, int status)
{
    struct scoreboard_slot *slot = pool_worker_slot(pool, index);
    bool is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
    bool has_served = atomic_load(&slot->session) > 0;

    if (!is_orderly) {
        log_death(pool, slot, pool->pids[index], status);
        scoreboard_add(&pool->memory->totals->crashes, 1);
    }
    pool_clear_worker(pool, index);
    if (!is_orderly)
        pool_size_recount(pool);
    if (pool->state != POOL_RUNNING)
        return;
    if (!is_orderly && !has_served)
        pool_size_fail_start(pool);
    pool_size_refill(pool);
}

static void reap_helper(struct pool *pool, int status)
{
    pid_t pid = pool->helper_pid;
    char end[SANDBOX_END_SIZE];

    pool->helper_pid = 0;
    helper_watch_stop(&pool->helper_watch);
    if (pool->state != POOL_RUNNING && pool->alive == 0)
        return;
    log_message(EVENT_HELPER_DIED, "instance %s: %s", pool->instance->section.name,
                sandbox_end_text(conf_sandbox_helper_role(pool->instance), pid, status, end));
    pool_mend_channel(pool);
    if (clock_now_ms() < pool->helper_started_ms + HELPER_SHORT_LIFE_MS)
        pool_size_throttle(pool, "the helper died right after its start");
    else
        pool_size_start_helper(pool);
}

bool pool_reap(struct pool *pool, pid_t pid, int status)
{
    size_t index = pool_find_worker(pool, pid);

    if (pid == pool->helper_pid) {
        reap_helper(pool, status);
        return true;
    }
    if (index == pool->worker_count)
        return false;
    reap_worker(pool, index, status);
    pool_dismiss_helper(pool);
    return true;
}
