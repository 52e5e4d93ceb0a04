/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The users whose logins wait, because the operator moves their mailboxes. The list lies in memory
 * of its own, which outlives reloads and is passed to the next binary in an upgrade.
 *
 * The status process writes it, at the operator's command. All other processes can only read it, so
 * a worker that was broken into can neither hold nor release anybody. Names are kept as hashes of
 * their lower-case form.
 */
#ifndef POOL_HOLD_H
#define POOL_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HOLDS_MAX = 256,
    HOLD_USER_SIZE = 64, /* of the name that is shown; a longer one is cut there */
};

/* Makes the list, or takes the one that the previous binary has passed. Call it in the master, before
 * the first worker is forked; further calls do nothing. Where there is no memory, nobody can be
 * held. */
void hold_prepare(void);

/* In the process that is about to become the next binary: passes the list on to it. */
void hold_pass(void);

/* The descriptor that hold_open_to_write() needs; -1: none. */
int hold_descriptor(void);

/* Lets this process write. Returns 0, or -1 with errno set. */
int hold_open_to_write(int fd);

/* Whether the logins of a user with this hash (see hash_text_nocase()) wait now. */
bool hold_is_held(uint64_t name, int64_t now_ms);

/* Holds the user until then. Returns false when the list is full, or cannot be written. */
bool hold_set(const char *user, int64_t until_ms, int64_t now_ms);

/* Releases the user. Returns false when nobody of this name is held. */
bool hold_end(const char *user, int64_t now_ms);

/* For the status: copies the name of the hold with this index, as one word, and how long it lasts.
 * Returns false where there is none now. */
bool hold_show(size_t index, int64_t now_ms, char user[HOLD_USER_SIZE], int64_t *left_ms_r);

#endif
