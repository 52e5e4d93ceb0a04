/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this process has learned about servers. It belongs to a worker, whose sessions share it.
 */
#ifndef SESSION_KNOWN_SERVERS_H
#define SESSION_KNOWN_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

enum {
    KNOWN_SERVERS_MAX = 64, /* a server may take the entry of another */
    KNOWN_SERVERS_KEPT_MS = 60 * 60 * 1000,
};

/* What a server says of itself (RFC 2449). */
struct server_facts {
    bool has_capa;       /* it answers CAPA with a list */
    bool has_pipelining; /* PIPELINING is in the list */
};

/* All zero: no server is known. */
struct known_servers {
    struct {
        uint64_t key;
        int64_t until_ms;
        struct server_facts facts;
    } entries[KNOWN_SERVERS_MAX];
};

/* In all functions `known` may be NULL: nothing is known, and nothing is kept. */

/* Returns false, and leaves *facts_r alone, if the server is not known. */
bool known_servers_find(const struct known_servers *known, const struct address *server,
                        int64_t now_ms, struct server_facts *facts_r);
void known_servers_put(struct known_servers *known, const struct address *server, int64_t now_ms,
                       const struct server_facts *facts);
void known_servers_remove(struct known_servers *known, const struct address *server);

#endif
