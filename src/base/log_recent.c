/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring without locks: a writer takes the next number, and with it an entry. Two writers meet in
 * one entry only if the ring goes round meanwhile; then the entry may be a mixture, and its text is
 * still checked.
 */
#include "base/log_recent.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/octet.h"
#include "base/seqlock.h"
#include "base/shared.h"

struct entry {
    struct seqlock lock;
    struct log_recent line;
};

struct ring {
    _Atomic uint32_t next;
    struct entry entries[LOG_RECENT_MAX];
};

static struct ring *ring;

void log_recent_open(void)
{
    if (ring == NULL)
        ring = shared_new(sizeof(*ring));
}

void log_recent_add(enum log_level level, const char *text, size_t length)
{
    struct entry *entry;

    if (ring == NULL)
        return;
    entry = &ring->entries[atomic_fetch_add(&ring->next, 1) % LOG_RECENT_MAX];
    if (length >= LOG_RECENT_BYTES)
        length = LOG_RECENT_BYTES - 1;
    seqlock_begin_write(&entry->lock);
    entry->line.at = clock_wall_s();
    entry->line.level = level;
    memcpy(entry->line.text, text, length);
    entry->line.text[length] = '\0';
    seqlock_end_write(&entry->lock);
}

static void check(struct log_recent *line, int64_t now_s)
{
    if (line->at < 0 || line->at > now_s)
        line->at = now_s;
    line->text[LOG_RECENT_BYTES - 1] = '\0';
    if (line->level < LOG_LEVEL_ALERT || line->level > LOG_LEVEL_WARNING)
        line->level = LOG_LEVEL_WARNING;
    for (char *c = line->text; *c != '\0'; c++)
        if (!octet_is_printable(*c))
            *c = '?';
}

size_t log_recent_copy(struct log_recent lines[LOG_RECENT_MAX])
{
    uint32_t next = ring == NULL ? 0 : atomic_load(&ring->next);
    int64_t now_s = clock_wall_s();
    size_t count = 0;

    for (uint32_t i = 0; ring != NULL && i < LOG_RECENT_MAX; i++) {
        const struct entry *entry = &ring->entries[(next + i) % LOG_RECENT_MAX];

        if (!seqlock_is_used(&entry->lock) ||
            !seqlock_read(&entry->lock, &lines[count], &entry->line, sizeof(lines[count])))
            continue;
        check(&lines[count++], now_s);
    }
    return count;
}
