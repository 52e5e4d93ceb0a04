/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small table, indexed by a hash of the server's address.
 */
#include "session/known_servers.h"

#include <stddef.h>

#include "base/hash.h"

/* The address itself is not kept: two servers with one hash would have to be in use at once. */
static uint64_t key_of(const struct address *server)
{
    const char *octets = (const char *)&server->storage;
    uint64_t key = HASH_SEED;

    for (size_t i = 0; i < server->length; i++)
        key = hash_add(key, octets[i]);
    return key;
}

bool known_servers_find(const struct known_servers *known, const struct address *server,
                        int64_t now_ms, struct server_facts *facts_r)
{
    uint64_t key = key_of(server);
    size_t i = key % KNOWN_SERVERS_MAX;

    if (known == NULL || known->entries[i].key != key || known->entries[i].until_ms <= now_ms)
        return false;
    *facts_r = known->entries[i].facts;
    return true;
}

void known_servers_put(struct known_servers *known, const struct address *server, int64_t now_ms,
                       const struct server_facts *facts)
{
    uint64_t key = key_of(server);
    size_t i = key % KNOWN_SERVERS_MAX;

    if (known == NULL)
        return;
    known->entries[i].key = key;
    known->entries[i].until_ms = now_ms + KNOWN_SERVERS_KEPT_MS;
    known->entries[i].facts = *facts;
}

void known_servers_remove(struct known_servers *known, const struct address *server)
{
    uint64_t key = key_of(server);

    if (known != NULL && known->entries[key % KNOWN_SERVERS_MAX].key == key)
        known->entries[key % KNOWN_SERVERS_MAX].until_ms = 0;
}
