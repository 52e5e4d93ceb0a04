/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots in shared memory, and the sequence count that makes their texts readable while they
 * change.
 */
#include "base/scoreboard.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/shared.h"

enum { READ_TRIES = 1000 };

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

/* What is shown came from the network: nothing but printable ASCII is kept. */
static void put_text(char *to, size_t size, const char *from)
{
    size_t i = 0;

    if (from == NULL)
        return;
    for (; from[i] != '\0' && i + 1 < size; i++)
        to[i] = from[i] > 0x20 && from[i] < 0x7f ? from[i] : '?';
    to[i] = '\0';
}

void scoreboard_write_texts(struct scoreboard_slot *slot, const char *id, const char *client,
                            const char *user, const char *server)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed) | 1;

    atomic_store_explicit(&slot->sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    put_text(slot->texts.id, sizeof(slot->texts.id), id);
    put_text(slot->texts.client, sizeof(slot->texts.client), client);
    put_text(slot->texts.user, sizeof(slot->texts.user), user);
    put_text(slot->texts.server, sizeof(slot->texts.server), server);
    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_release);
}

/* Whoever broke into a worker writes what he likes, and where, without an end. */
static void clean_text(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (; *text != '\0'; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            *text = '?';
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
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);

        memcpy(texts, &slot->texts, sizeof(*texts));
        atomic_thread_fence(memory_order_acquire);
        if ((before & 1) == 0 &&
            atomic_load_explicit(&slot->sequence, memory_order_relaxed) == before) {
            clean_texts(texts);
            return true;
        }
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
