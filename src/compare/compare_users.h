/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The users to be compared: a line for each, with the login name, blanks, and the password, which may
 * hold blanks. All of it is read before the first login, so that a mistake in the last line is found
 * at once, and each password is overwritten after its use.
 */
#ifndef COMPARE_COMPARE_USERS_H
#define COMPARE_COMPARE_USERS_H

#include <stddef.h>

#include "base/error.h"
#include "compare/compare_mailbox.h"

struct compare_users {
    char *text; /* the file; the logins lie in it */
    size_t size;
    struct compare_login *list;
    size_t count;
};

/* Reads the file, or standard input if `path` is NULL. An empty line counts for nothing. Returns 0,
 * or -1 with `error` set, which names a line but nothing of what it says. */
int compare_users_read(struct compare_users *users, const char *path, struct error *error);

/* Overwrites the password of a user who is done. */
void compare_users_forget(struct compare_users *users, size_t index);

/* Overwrites and frees everything. */
void compare_users_free(struct compare_users *users);

#endif
