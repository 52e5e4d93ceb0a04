/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots in shared memory.
 */
#include "pool/scoreboard.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/octet.h"
#include "base/shared.h"

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

/* What is shown came from the network: it is kept as one word. NULL leaves the text as it is. */
static void put_text(char *to, size_t size, const char *from)
{
    if (from != NULL)
        octets_copy_word(to, size, from);
}

void scoreboard_write_texts(struct scoreboard_slot *slot, const char *id, const char *client,
                            const char *user, const char *server)
{
    seqlock_begin_write(&slot->texts_lock);
    put_text(slot->texts.id, sizeof(slot->texts.id), id);
    put_text(slot->texts.client, sizeof(slot->texts.client), client);
    put_text(slot->texts.user, sizeof(slot->texts.user), user);
    put_text(slot->texts.server, sizeof(slot->texts.server), server);
    seqlock_end_write(&slot->texts_lock);
}

/* A broken worker may have written anything, even a text without an end. */
static void clean_text(char *text, size_t size)
{
    text[size - 1] = '\0';
    octets_make_word(text);
}

static void clean_texts(struct scoreboard_texts *texts)
{
    clean_text(texts->id, sizeof(texts->id));
    clean_text(texts->client, sizeof(texts->client));
    clean_text(texts->user, sizeof(texts->user));
    clean_text(texts->server, sizeof(texts->server));
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
