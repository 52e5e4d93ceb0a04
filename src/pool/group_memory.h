/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared memory of all groups of servers: a state for each server, by the names of group and
 * server, and a table of where users stay. It is made when the first group is configured, and kept as
 * long as the master and its successors run. So a reload keeps states, counts and drained servers, and
 * so does an upgrade to a binary that has the same layout of this memory; one with another layout
 * begins with all servers up.
 *
 * For the master alone.
 */
#ifndef POOL_GROUP_MEMORY_H
#define POOL_GROUP_MEMORY_H

#include <stdint.h>

#include "base/error.h"
#include "config/conf.h"

enum { GROUP_MEMORY_SERVERS_MAX = 1024 };

/* Takes over the memory of the previous binary, if there is one. Call it before
 * group_memory_attach(). */
void group_memory_inherit(void);

/* Passes the memory to the next binary; called in the process that is about to become it. */
void group_memory_pass(void);

/* Gives each server of the configuration its state: the one of that name, or a new one. Returns 0, or
 * -1 with `error` set when there is no memory or no room. */
int group_memory_attach(const struct conf *conf, struct error *error);

/* The configuration is used no more. Its servers keep their states until the room is needed. */
void group_memory_detach(const struct conf *conf);

/* Gives back what a session held whose worker has died: by the number of the server that is in its
 * slot, and the user who stays there (0: nobody). Any worker may have written both. */
void group_memory_give_back(uint32_t number, bool is_login, uint64_t user);

#endif
