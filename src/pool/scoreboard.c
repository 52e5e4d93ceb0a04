/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots in shared memory: written as they should be, read as if anybody had written them.
 */
#include "pool/scoreboard.h"

#include <assert.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log_privacy.h"
#include "base/octet.h"
#include "base/shared.h"
#include "base/utf8.h"

#include "config.h"

const char *const scoreboard_tls_versions[SCOREBOARD_TLS_VERSIONS] = {"TLSv1", "TLSv1.1", "TLSv1.2",
                                                                     "TLSv1.3"};

static size_t size_of(size_t slot_count)
{
    return sizeof(struct scoreboard) + slot_count * sizeof(struct scoreboard_slot);
}

struct scoreboard *scoreboard_new(size_t slot_count)
{
    return shared_new(size_of(slot_count));
}

void scoreboard_free(struct scoreboard *scoreboard, size_t slot_count)
{
    shared_free(scoreboard, size_of(slot_count));
}

/* ---- the state ---- */

bool scoreboard_is_legal_move(enum scoreboard_state from, enum scoreboard_state to)
{
    switch (to) {
    case SCOREBOARD_FREE:
        return true;
    case SCOREBOARD_STARTING:
        return from == SCOREBOARD_FREE;
    case SCOREBOARD_IDLE:
        return from == SCOREBOARD_STARTING || from == SCOREBOARD_BUSY || from == SCOREBOARD_RESTING;
    case SCOREBOARD_BUSY:
        return from == SCOREBOARD_IDLE || from == SCOREBOARD_FREE;
    case SCOREBOARD_LEAVING:
        return from == SCOREBOARD_STARTING || from == SCOREBOARD_IDLE || from == SCOREBOARD_BUSY;
    case SCOREBOARD_RESTING:
        return from == SCOREBOARD_BUSY;
    case SCOREBOARD_STATE_COUNT:
        break;
    }
    return false;
}

static enum scoreboard_state known_state(int number)
{
    return number >= 0 && number < SCOREBOARD_STATE_COUNT ? (enum scoreboard_state)number
                                                          : SCOREBOARD_STATE_COUNT;
}

/* A release goes on: there the number may have been written by a worker that was taken over. */
void scoreboard_set_state(struct scoreboard_slot *slot, enum scoreboard_state state)
{
#ifdef WITH_CHECKS
    assert(scoreboard_is_legal_move(known_state(atomic_load(&slot->state)), state));
#endif
    atomic_store(&slot->state, (int)state);
}

enum scoreboard_state scoreboard_state(const struct scoreboard_slot *slot)
{
    return known_state(atomic_load(&slot->state));
}

void scoreboard_clear(struct scoreboard_slot *slot)
{
    scoreboard_set_state(slot, SCOREBOARD_FREE);
    atomic_store(&slot->login, SCOREBOARD_LOGIN_NONE);
    atomic_store(&slot->session, 0);
    atomic_store(&slot->shed_session, 0);
    atomic_store(&slot->kicked_session, 0);
    atomic_store(&slot->session_count, 0);
    atomic_store(&slot->slots_used, 0);
    atomic_store(&slot->account, 0);
    atomic_store(&slot->server, 0);
    atomic_store(&slot->session_address, 0);
    atomic_store(&slot->session_user, 0);
    atomic_store(&slot->staying_user, 0);
}

/* ---- the session ---- */

enum session_stage scoreboard_stage(const struct scoreboard_slot *slot)
{
    int number = atomic_load_explicit(&slot->stage, memory_order_relaxed);

    return number >= 0 && number < SESSION_STAGE_COUNT ? (enum session_stage)number
                                                       : SESSION_STAGE_COUNT;
}

const char *scoreboard_stage_word(const struct scoreboard_slot *slot)
{
    enum session_stage stage = scoreboard_stage(slot);

    return stage == SESSION_STAGE_COUNT ? "unknown" : session_stage_word(stage);
}

bool scoreboard_is_kicked(const struct scoreboard_slot *slot)
{
    uint32_t kicked = atomic_load(&slot->kicked_session);

    return kicked != 0 && kicked == atomic_load(&slot->session);
}

int64_t scoreboard_age_ms(const struct scoreboard_slot *slot, int64_t now_ms)
{
    int64_t started_ms = atomic_load(&slot->started_ms);

    if (started_ms < 0)
        return now_ms;
    return started_ms > now_ms ? 0 : now_ms - started_ms;
}

/* What is shown came from the network. NULL leaves the text as it is. */
static void put_word(char *to, size_t size, const char *from)
{
    if (from != NULL)
        octets_copy_word(to, size, from);
}

static void put_user(struct scoreboard_texts *texts, const char *user)
{
    if (user == NULL)
        return;
    utf8_copy_name(texts->user, sizeof(texts->user), user);
    texts->user_hash = log_private_hash(user);
}

void scoreboard_write_texts(struct scoreboard_slot *slot, const char *id, const char *client,
                            const char *user, const char *server)
{
    seqlock_begin_write(&slot->texts_lock);
    put_word(slot->texts.id, sizeof(slot->texts.id), id);
    put_word(slot->texts.client, sizeof(slot->texts.client), client);
    put_user(&slot->texts, user);
    put_word(slot->texts.server, sizeof(slot->texts.server), server);
    seqlock_end_write(&slot->texts_lock);
}

/* A broken worker may have written anything, even a text without an end. */
static void clean_word(char *text, size_t size)
{
    text[size - 1] = '\0';
    octets_make_word(text);
}

static void clean_name(char *text, size_t size)
{
    text[size - 1] = '\0';
    utf8_copy_name(text, size, text);
}

static void clean_texts(struct scoreboard_texts *texts)
{
    clean_word(texts->id, sizeof(texts->id));
    clean_word(texts->client, sizeof(texts->client));
    clean_name(texts->user, sizeof(texts->user));
    clean_word(texts->server, sizeof(texts->server));
}

bool scoreboard_read_texts(const struct scoreboard_slot *slot, struct scoreboard_texts *texts)
{
    if (seqlock_read(&slot->texts_lock, texts, &slot->texts, sizeof(*texts))) {
        clean_texts(texts);
        return true;
    }
    *texts = (struct scoreboard_texts){0};
    return false;
}

/* ---- resting ---- */

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "a futex is 32 bits");

void scoreboard_rest(struct scoreboard_slot *slot)
{
    (void)syscall(SYS_futex, &slot->is_called, FUTEX_WAIT, 0, NULL, NULL, 0);
}

void scoreboard_call(struct scoreboard_slot *slot)
{
    atomic_store(&slot->is_called, 1);
    (void)syscall(SYS_futex, &slot->is_called, FUTEX_WAKE, 1, NULL, NULL, 0);
}
