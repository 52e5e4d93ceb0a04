/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers that this process has lately seen answer each command once. Belongs to a worker and is
 * shared by its sessions; a session knows it by pointer only.
 */
#ifndef SESSION_KNOWN_SERVERS_H
#define SESSION_KNOWN_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

enum {
    KNOWN_SERVERS_MAX = 64, /* a newer one takes an older one's place */
    KNOWN_SERVERS_KEPT_MS = 60 * 1000,
};

/* All zero: none is known. */
struct known_servers {
    struct {
        uint64_t key;
        int64_t until_ms;
    } entries[KNOWN_SERVERS_MAX];
};

/* `known` may be NULL: nothing is known and nothing is kept. */
bool known_servers_has(const struct known_servers *known, const struct address *server,
                       int64_t now_ms);
/* It was listened to and was quiet. Whoever only trusted it has nothing to add. */
void known_servers_add(struct known_servers *known, const struct address *server, int64_t now_ms);
void known_servers_remove(struct known_servers *known, const struct address *server);

#endif
