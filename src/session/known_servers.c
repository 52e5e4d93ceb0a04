/* SPDX-License-Identifier: BSD-2-Clause */
#include "session/known_servers.h"

#include <stddef.h>

/* FNV-1a over the socket address; a collision only costs or saves a moment's wait. */
static uint64_t key_of(const struct address *server)
{
    const unsigned char *octets = (const unsigned char *)&server->storage;
    uint64_t key = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < server->length; i++)
        key = (key ^ octets[i]) * UINT64_C(0x100000001b3);
    return key;
}

bool known_servers_has(const struct known_servers *known, const struct address *server,
                       int64_t now_ms)
{
    uint64_t key = key_of(server);

    return known != NULL && known->entries[key % KNOWN_SERVERS_MAX].key == key &&
           known->entries[key % KNOWN_SERVERS_MAX].until_ms > now_ms;
}

void known_servers_add(struct known_servers *known, const struct address *server, int64_t now_ms)
{
    uint64_t key = key_of(server);

    if (known == NULL)
        return;
    known->entries[key % KNOWN_SERVERS_MAX].key = key;
    known->entries[key % KNOWN_SERVERS_MAX].until_ms = now_ms + KNOWN_SERVERS_KEPT_MS;
}

void known_servers_remove(struct known_servers *known, const struct address *server)
{
    uint64_t key = key_of(server);

    if (known != NULL && known->entries[key % KNOWN_SERVERS_MAX].key == key)
        known->entries[key % KNOWN_SERVERS_MAX].until_ms = 0;
}
