/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master maps the memory from a descriptor that is open for reading only. Its children inherit
 * that mapping, and the kernel lets none of them make it writable.
 */
#include "pool/hold.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/inherit.h"
#include "base/utf8.h"
#include "pool/trace_mark.h"

#define PASSED "POP3_PROXY_HOLDS_FD" /* the name it is passed under */

/* A hold is over when its time has passed: 0 is an entry that was never used. */
struct hold {
    _Atomic uint64_t name;
    _Atomic int64_t until_ms; /* monotonic */
    char user[HOLD_USER_SIZE];
};

struct holds {
    _Atomic uint32_t used; /* no hold from this index on was ever used */
    struct hold list[HOLDS_MAX];
    struct trace_marks traces; /* the other thing that operators say of users */
};

static int own_fd = -1;
static const struct holds *holds;
static struct holds *writable; /* the same, in the status process */

/* ---- the memory ---- */

static const struct holds *map_to_read(int fd)
{
    char path[32];
    void *memory;
    int reader;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    reader = open(path, O_RDONLY | O_CLOEXEC);
    if (reader == -1)
        return NULL;
    memory = mmap(NULL, sizeof(struct holds), PROT_READ, MAP_SHARED, reader, 0);
    close(reader);
    return memory == MAP_FAILED ? NULL : memory;
}

void hold_prepare(void)
{
    if (holds != NULL)
        return;
    own_fd = inherit_memory(PASSED, sizeof(struct holds));
    if (own_fd != -1)
        holds = map_to_read(own_fd);
    if (holds != NULL)
        trace_marks_set_memory(&holds->traces);
}

void hold_pass(void)
{
    inherit_pass(PASSED, own_fd, NULL);
}

int hold_descriptor(void)
{
    return own_fd;
}

int hold_open_to_write(int fd)
{
    void *memory =
        mmap(NULL, sizeof(struct holds), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -1;
    holds = writable = memory;
    trace_marks_set_writable(&writable->traces);
    return 0;
}

/* ---- holds ---- */

static size_t used(void)
{
    uint32_t count = holds == NULL ? 0 : atomic_load(&holds->used);

    return count < HOLDS_MAX ? count : HOLDS_MAX;
}

static bool is_in_force(const struct hold *hold, int64_t now_ms)
{
    return atomic_load(&hold->until_ms) > now_ms;
}

bool hold_is_held(uint64_t name, int64_t now_ms)
{
    size_t end = used();

    for (size_t i = 0; i < end; i++)
        if (atomic_load(&holds->list[i].name) == name && is_in_force(&holds->list[i], now_ms))
            return true;
    return false;
}

/* The hold of this name, in force or not; NULL: none. */
static struct hold *find(uint64_t name)
{
    for (size_t i = 0; i < used(); i++)
        if (atomic_load(&writable->list[i].name) == name)
            return &writable->list[i];
    return NULL;
}

/* One that is over, or the first that was never used; NULL: all are in force. */
static struct hold *find_room(int64_t now_ms)
{
    size_t i = 0;

    while (i < used() && is_in_force(&writable->list[i], now_ms))
        i++;
    if (i == HOLDS_MAX)
        return NULL;
    if (i == used())
        atomic_store(&writable->used, (uint32_t)i + 1);
    return &writable->list[i];
}

bool hold_set(const char *user, int64_t until_ms, int64_t now_ms)
{
    uint64_t name = hash_text_nocase(user);
    struct hold *hold;

    if (writable == NULL)
        return false;
    hold = find(name);
    if (hold == NULL)
        hold = find_room(now_ms);
    if (hold == NULL)
        return false;
    utf8_copy_name(hold->user, sizeof(hold->user), user);
    atomic_store(&hold->name, name);
    atomic_store(&hold->until_ms, until_ms);
    return true;
}

bool hold_end(const char *user, int64_t now_ms)
{
    struct hold *hold = writable == NULL ? NULL : find(hash_text_nocase(user));
    bool was_held = hold != NULL && is_in_force(hold, now_ms);

    if (was_held)
        atomic_store(&hold->until_ms, 0);
    return was_held;
}

bool hold_show(size_t index, int64_t now_ms, char user[HOLD_USER_SIZE], int64_t *left_ms_r)
{
    if (index >= used() || !is_in_force(&holds->list[index], now_ms))
        return false;
    *left_ms_r = atomic_load(&holds->list[index].until_ms) - now_ms;
    snprintf(user, HOLD_USER_SIZE, "%.*s", HOLD_USER_SIZE - 1, holds->list[index].user);
    utf8_copy_name(user, HOLD_USER_SIZE, user);
    return true;
}
