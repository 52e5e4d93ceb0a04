/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small table without locks: a process may die at any instruction. An entry that is taken says
 * that a line of its kind was written a short time ago.
 */
#include "base/log_repeat.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/octet.h"
#include "base/seqlock.h"
#include "base/shared.h"

enum {
    ENTRY_COUNT = 256, /* a power of two */
    PROBES = 8,
    TEXT_BYTES = 448, /* a longer key is not counted */
    COUNT_BITS = 24,
    PERIOD_MS = 1000,
};

#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)

/* The part of an entry that is shown. */
struct kind {
    int level;
    char text[TEXT_BYTES];
};

/* `owner`: 40 bits of the key's hash and 24 bits that count: they change together. 0: free. */
struct entry {
    _Atomic uint64_t owner;
    struct seqlock lock;
    struct kind kind;
};

struct table {
    _Atomic int64_t due_ms; /* when the timer expires; 0: it is not set */
    struct entry entries[ENTRY_COUNT];
};

static struct table *table;
static int timer_fd = -1;

int log_repeat_open(void)
{
    table = shared_new(sizeof(*table));
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (table != NULL && timer_fd != -1)
        return timer_fd;
    shared_free(table, sizeof(*table));
    table = NULL;
    if (timer_fd != -1)
        close(timer_fd);
    timer_fd = -1;
    return -1;
}

int log_repeat_descriptor(void)
{
    return timer_fd;
}

/* Sets the timer, unless it is set. A process may die after it has written `due_ms` and before it has
 * set the timer: a time that passed a period ago, and was not answered, is such a one. A timer that has
 * just expired is left alone, because setting it again would hide that from the master. */
static void make_due(void)
{
    const struct itimerspec period = {.it_value = {.tv_sec = PERIOD_MS / 1000}};
    int64_t due_ms = atomic_load(&table->due_ms);
    int64_t now_ms = clock_now_ms();
    bool is_set =
        due_ms != 0 && due_ms > now_ms - PERIOD_MS && due_ms <= now_ms + PERIOD_MS;

    if (!is_set && atomic_compare_exchange_strong(&table->due_ms, &due_ms, now_ms + PERIOD_MS))
        (void)timerfd_settime(timer_fd, 0, &period, NULL);
}

/* ---- counting ---- */

/* The owner of the key's entry with a count of 0; never 0. */
static uint64_t owner_of(const struct log_line *key)
{
    uint64_t hash = hash_add(HASH_SEED, (char)key->level);

    for (size_t i = 0; i < key->length; i++)
        hash = hash_add(hash, key->text[i]);
    hash &= ~COUNT_MAX;
    return hash != 0 ? hash : COUNT_MAX + 1;
}

static struct entry *entry_at(uint64_t owner, size_t probe)
{
    return &table->entries[((size_t)(owner >> COUNT_BITS) + probe) & (ENTRY_COUNT - 1)];
}

/* Returns false when the entry is not the owner's. */
static bool count_in(struct entry *entry, uint64_t owner)
{
    uint64_t now = atomic_load(&entry->owner);

    while ((now & ~COUNT_MAX) == owner)
        if ((now & COUNT_MAX) == COUNT_MAX ||
            atomic_compare_exchange_weak(&entry->owner, &now, now + 1))
            return true;
    return false;
}

static bool count(uint64_t owner)
{
    for (size_t i = 0; i < PROBES; i++)
        if (count_in(entry_at(owner, i), owner))
            return true;
    return false;
}

static bool take(struct entry *entry, uint64_t owner, const struct log_line *key)
{
    uint64_t none = 0;

    if (!atomic_compare_exchange_strong(&entry->owner, &none, owner))
        return false;
    seqlock_begin_write(&entry->lock);
    entry->kind.level = (int)key->level;
    memcpy(entry->kind.text, key->text, key->length);
    entry->kind.text[key->length] = '\0';
    seqlock_end_write(&entry->lock);
    return true;
}

void log_repeat_begin(struct log_line *key, enum event event)
{
    log_begin(key, EVENT_REPEATED);
    key->level = event_level(event);
    log_add(key, "of", event_word(event));
}

/* Two processes may take an entry each at the same time: then two lines are written. If no entry is
 * free, the line is written as well. */
bool log_repeat_is_first(const struct log_line *key)
{
    uint64_t owner = owner_of(key);
    bool is_counted;

    if (table == NULL || key->length >= TEXT_BYTES)
        return true;
    is_counted = count(owner);
    for (size_t i = 0; !is_counted && i < PROBES; i++)
        if (take(entry_at(owner, i), owner, key))
            break;
    make_due();
    return !is_counted;
}

void log_repeat_message(enum event event, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE];
    struct log_line key;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_repeat_begin(&key, event);
    log_add_text(&key, "text", text);
    if (log_repeat_is_first(&key))
        log_message(event, "%s", text);
}

/* ---- telling ---- */

/* A broken worker may have written anything into the entry. */
static void add_kind(struct log_line *line, const struct entry *entry)
{
    struct kind kind;

    log_begin(line, EVENT_REPEATED);
    if (!seqlock_read(&entry->lock, &kind, &entry->kind, sizeof(kind)) ||
        strncmp(kind.text, line->text, line->length) != 0)
        return;
    kind.text[TEXT_BYTES - 1] = '\0';
    if (kind.level >= LOG_LEVEL_ALERT && kind.level <= LOG_LEVEL_INFO)
        line->level = (enum log_level)kind.level;
    for (char *c = kind.text; *c != '\0'; c++)
        if (!octet_is_graphic(*c) && *c != ' ')
            *c = '?';
    log_resume(line, kind.text);
}

/* Returns whether the entry stays: lines of its kind still come. */
static bool tell_entry(struct entry *entry)
{
    uint64_t owner = atomic_load(&entry->owner);
    struct log_line line;

    if (owner == 0)
        return false;
    if ((owner & COUNT_MAX) == 0)
        return !atomic_compare_exchange_strong(&entry->owner, &owner, 0);
    while (!atomic_compare_exchange_weak(&entry->owner, &owner, owner & ~COUNT_MAX))
        continue;
    add_kind(&line, entry);
    log_add_number(&line, "count", (int64_t)(owner & COUNT_MAX));
    log_end(&line);
    return true;
}

void log_repeat_tell(void)
{
    uint64_t expirations;
    bool is_going_on = false;

    if (table == NULL)
        return;
    (void)!read(timer_fd, &expirations, sizeof(expirations));
    atomic_store(&table->due_ms, 0);
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        is_going_on |= tell_entry(&table->entries[i]);
    if (is_going_on)
        make_due();
}
